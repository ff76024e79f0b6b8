/** The resampler's passes in plain TypeScript: the reference for the kernels. */

import { type Axis, precisionBits } from "./axis.ts";

/** A resampling task: source rows, and the axes to resample, first along rows, then along columns. */
export interface Resampling {
  readonly source: Uint8Array;
  /** Start of the first source row, and bytes between rows. */
  readonly offset: number;
  readonly stride: number;
  /** Number of source rows. */
  readonly rows: number;
  /** Width of the result. */
  readonly width: number;
  readonly height: number;
  /** Undefined if the width does not change. */
  readonly horizontal: Axis | undefined;
  /** Undefined if the height does not change. */
  readonly vertical: Axis | undefined;
  /** Number of the first source row in `vertical`. */
  readonly top: number;
}

/** Rows between the two passes; only grows, since allocating costs more than filling. */
let scratch = new Uint8Array(0);

/** Writes the result to `into`, three bytes per pixel. */
export function resample(task: Resampling, into: Uint8Array): void {
  const { rows, width, height, horizontal, vertical, top } = task;
  let { source, stride, offset } = task;
  const rowBytes = 3 * width;
  if (horizontal !== undefined) {
    let target = into;
    if (vertical !== undefined) {
      if (scratch.length < rowBytes * rows) scratch = new Uint8Array(rowBytes * rows);
      target = scratch;
    }
    resampleRows(source, offset, stride, rows, horizontal, width, target);
    source = target;
    stride = rowBytes;
    offset = 0;
  }
  if (vertical !== undefined) {
    resampleColumns(source, offset - top * stride, stride, rowBytes, vertical, height, into);
  } else if (horizontal === undefined) {
    for (let y = 0; y < height; y++) {
      into.set(source.subarray(offset + y * stride, offset + y * stride + rowBytes), y * rowBytes);
    }
  }
}

const oneHalf = 1 << (precisionBits - 1);

function resampleRows(
  source: Uint8Array,
  offset: number,
  stride: number,
  rows: number,
  axis: Axis,
  width: number,
  target: Uint8Array,
): void {
  const { taps, first, count, weights } = axis;
  let out = 0;
  for (let y = 0; y < rows; y++) {
    const row = offset + y * stride;
    for (let x = 0; x < width; x++) {
      let pixel = row + first[x]! * 3;
      let k = x * taps;
      const end = k + count[x]!;
      let red = oneHalf;
      let green = oneHalf;
      let blue = oneHalf;
      for (; k < end; k++, pixel += 3) {
        const w = weights[k]!;
        red = (red + Math.imul(source[pixel]!, w)) | 0;
        green = (green + Math.imul(source[pixel + 1]!, w)) | 0;
        blue = (blue + Math.imul(source[pixel + 2]!, w)) | 0;
      }
      target[out] = clip8(red);
      target[out + 1] = clip8(green);
      target[out + 2] = clip8(blue);
      out += 3;
    }
  }
}

function resampleColumns(
  source: Uint8Array,
  offset: number,
  stride: number,
  rowBytes: number,
  axis: Axis,
  height: number,
  target: Uint8Array,
): void {
  const { taps, first, count, weights } = axis;
  for (let y = 0; y < height; y++) {
    const begin = y * taps;
    const end = begin + count[y]!;
    const top = offset + first[y]! * stride;
    const out = y * rowBytes;
    // Three columns at a time (one pixel), so that each weight is read once.
    for (let x = 0; x < rowBytes; x += 3) {
      let red = oneHalf;
      let green = oneHalf;
      let blue = oneHalf;
      let pixel = top + x;
      for (let k = begin; k < end; k++, pixel += stride) {
        const w = weights[k]!;
        red = (red + Math.imul(source[pixel]!, w)) | 0;
        green = (green + Math.imul(source[pixel + 1]!, w)) | 0;
        blue = (blue + Math.imul(source[pixel + 2]!, w)) | 0;
      }
      target[out + x] = clip8(red);
      target[out + x + 1] = clip8(green);
      target[out + x + 2] = clip8(blue);
    }
  }
}

export function clip8(fixed: number): number {
  const value = fixed >> precisionBits;
  // Values are nearly always in range, and one comparison is cheaper than two calls.
  return (value & ~255) === 0 ? value : value < 0 ? 0 : 255;
}
