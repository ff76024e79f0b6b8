/** Converts the planes of a scan to the pixels of the requested part. */

import { colourRow, greyRow, upsampleRow, upsampleRows } from "./colour";
import {
  BOX_HEIGHT,
  BOX_LEFT,
  BOX_TOP,
  BOX_WIDTH,
  COMPONENT_WORDS,
  COMPONENTS,
  FIRST_COMPONENT,
  HIGHER,
  PIXELS,
  PLANE,
  PLANE_LEFT,
  PLANE_ROWS,
  PLANE_TOP,
  SAMPLES_ACROSS,
  SAMPLES_DOWN,
  SCRATCH,
  STRIDE,
  WIDER,
  word,
} from "./job";

/** Fills samples beyond the picture's edges with those at the edges. */
function repeatEdges(component: usize, room: i32): void {
  const stride = <usize>word(component, STRIDE);
  const last = word(component, SAMPLES_ACROSS) - 1 - word(component, PLANE_LEFT);
  let row = <usize>word(component, PLANE);
  for (let y = 0; y < word(component, PLANE_ROWS); y++) {
    store<u8>(row - 1, load<u8>(row));
    if (last < <i32>stride - room) store<u8>(row + last + 1, load<u8>(row + last));
    row += stride;
  }
}

/** The address of a row of the component, as if the plane contained the whole picture. */
function rowAt(component: usize, row: i32): usize {
  const within = min(word(component, SAMPLES_DOWN) - 1, max(0, row)) - word(component, PLANE_TOP);
  return <usize>(word(component, PLANE) + within * word(component, STRIDE) - word(component, PLANE_LEFT));
}

/**
 * The address of a row of samples for a row of the picture, as many as pixels: in its plane, or upsampled into
 * `scratch`.
 */
function samplesOf(component: usize, line: i32, left: i32, width: i32, scratch: usize): usize {
  if (word(component, WIDER) === 1) return rowAt(component, line) + left;
  const first = left >> 1;
  const count = ((left + width - 1) >> 1) - first + 1;
  if (word(component, HIGHER) === 1) upsampleRow(rowAt(component, line) + first, count, scratch);
  else {
    const near = line >> 1;
    const far = near + ((line & 1) === 0 ? -1 : 1);
    upsampleRows(rowAt(component, near) + first, rowAt(component, far) + first, count, scratch);
  }
  return scratch + left - 2 * first;
}

/** @param margin bytes before and after each row of a plane and of the scratch memory */
export function colourPart(job: usize, margin: i32): void {
  const left = word(job, BOX_LEFT);
  const top = word(job, BOX_TOP);
  const width = word(job, BOX_WIDTH);
  const luma = job + 4 * FIRST_COMPONENT;
  const blue = luma + 4 * COMPONENT_WORDS;
  const red = blue + 4 * COMPONENT_WORDS;
  const isGrey = word(job, COMPONENTS) === 1;
  const scratch = <usize>word(job, SCRATCH);
  const other = scratch + width + 2 * margin;
  if (!isGrey && word(blue, WIDER) > 1) {
    repeatEdges(blue, 2 * margin);
    repeatEdges(red, 2 * margin);
  }
  let target = <usize>word(job, PIXELS);
  for (let y = top; y < top + word(job, BOX_HEIGHT); y++) {
    const row = rowAt(luma, y) + left;
    if (isGrey) greyRow(row, width, target);
    else {
      const blueRow = samplesOf(blue, y, left, width, scratch);
      colourRow(row, blueRow, samplesOf(red, y, left, width, other), width, target);
    }
    target += 3 * width;
  }
}
