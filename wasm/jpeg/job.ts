/** What is to be decoded, as int32s; src/images/jpeg.ts writes them in this order. */

export const COMPONENTS = 0;
export const MCUS_A_ROW = 1;
/** Minimum coded units from one restart to the next; at least as many as there are where there is none. */
export const INTERVAL = 2;
// The units that are wanted, the last ones exclusive.
export const LEFT = 3;
export const RIGHT = 4;
export const TOP = 5;
export const BOTTOM = 6;
/** Rows of units to read. */
export const ROWS = 7;
/** What `unstuff` has made. */
export const STREAM = 8;
export const SEGMENTS = 9;
// The pixels that are wanted, where they go, and memory for two rows of samples.
export const BOX_LEFT = 10;
export const BOX_TOP = 11;
export const BOX_WIDTH = 12;
export const BOX_HEIGHT = 13;
export const PIXELS = 14;
export const SCRATCH = 15;
export const FIRST_COMPONENT = 16;

// For each component, its blocks in a unit, its tables, its plane and the bytes of a plane's row, and the side of what a
// block becomes.
export const ACROSS = 0;
export const DOWN = 1;
export const DC = 2;
export const AC = 3;
export const STEPS = 4;
export const PLANE = 5;
export const STRIDE = 6;
export const SIDE = 7;
/** How much wider and higher the picture is than the component: 1 or 2. */
export const WIDER = 8;
export const HIGHER = 9;
// The first sample of the plane in the whole picture, the rows of the plane, and the samples of the whole picture.
export const PLANE_LEFT = 10;
export const PLANE_TOP = 11;
export const PLANE_ROWS = 12;
export const SAMPLES_ACROSS = 13;
export const SAMPLES_DOWN = 14;
export const COMPONENT_WORDS = 15;

export function word(job: usize, index: i32): i32 {
  return load<i32>(job + 4 * <usize>index);
}
