/** The description of what to decode, as int32s; src/images/jpeg.ts writes them in this order. */

export const COMPONENTS = 0;
export const MCUS_A_ROW = 1;
/** Minimum coded units between restarts; without restarts at least the number of units in the picture. */
export const INTERVAL = 2;
// The range of units to decode, ends exclusive.
export const LEFT = 3;
export const RIGHT = 4;
export const TOP = 5;
export const BOTTOM = 6;
/** Rows of units to read. */
export const ROWS = 7;
/** The output of `unstuff`. */
export const STREAM = 8;
export const SEGMENTS = 9;
// The range of pixels to produce, their address, and memory for two rows of samples.
export const BOX_LEFT = 10;
export const BOX_TOP = 11;
export const BOX_WIDTH = 12;
export const BOX_HEIGHT = 13;
export const PIXELS = 14;
export const SCRATCH = 15;
export const FIRST_COMPONENT = 16;

// For each component: its blocks in a unit, its tables, its plane, the bytes in a row of the plane, and the number of
// samples on a side of a decoded block.
export const ACROSS = 0;
export const DOWN = 1;
export const DC = 2;
export const AC = 3;
export const STEPS = 4;
export const PLANE = 5;
export const STRIDE = 6;
export const SIDE = 7;
/** How many times wider and higher the picture is than the component: 1 or 2. */
export const WIDER = 8;
export const HIGHER = 9;
// The position of the plane's first sample in the whole picture, the number of rows of the plane, and the number of
// samples of the whole picture.
export const PLANE_LEFT = 10;
export const PLANE_TOP = 11;
export const PLANE_ROWS = 12;
export const SAMPLES_ACROSS = 13;
export const SAMPLES_DOWN = 14;
export const COMPONENT_WORDS = 15;

export function word(job: usize, index: i32): i32 {
  return load<i32>(job + 4 * <usize>index);
}
