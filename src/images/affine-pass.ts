/** One of the two passes of the affine resampler, in plain TypeScript: the reference for its kernel. */

import { precisionBits } from "./axis.ts";
import { clip8 } from "./resample.ts";

export type Color = readonly [red: number, green: number, blue: number];

/**
 * Number of sub-pixel positions with weights of their own; the error is at most half a byte at a black and white edge.
 */
export const phaseCount = 256;

/** The filter of one pass: for each phase the weights of `taps` pixels, the first at offset `first[phase]`. */
export interface AffineKernel {
  readonly taps: number;
  readonly first: Int32Array;
  readonly weights: Int32Array;
  readonly support: number;
}

/**
 * What a pass reads: tap `t` of item `i` of line `j` is the pixel at `start + j·lineStride + i·itemStride +
 * t·tapStride`.
 */
export interface AffineSource {
  /** Only the part that is read. */
  readonly data: Uint8Array;
  readonly start: number;
  readonly lineStride: number;
  readonly itemStride: number;
  readonly tapStride: number;
  /** Taps from 0 to this (exclusive) are in the picture. */
  readonly taps: number;
}

/** Item `i` of line `j` is sampled at tap `step · (i + ½) + perLine · (j + ½) + start`. */
export interface AffinePass {
  readonly step: number;
  readonly perLine: number;
  readonly start: number;
  readonly kernel: AffineKernel;
  /** The lines to compute: `first` to `end` (exclusive). */
  readonly first: number;
  readonly end: number;
}

const oneHalf = 1 << (precisionBits - 1);

/** Computes the lines, `count` items each, written one after another. */
export function resampleLines(
  source: AffineSource,
  pass: AffinePass,
  count: number,
  fill: Color,
  target: Uint8Array,
): void {
  const { data, lineStride, itemStride, tapStride, taps: limit } = source;
  const { step, perLine, start } = pass;
  const { taps, first, weights } = pass.kernel;
  const [fillRed, fillGreen, fillBlue] = fill;
  const stride = step * phaseCount;
  let out = 0;
  for (let line = pass.first; line < pass.end; line++) {
    // In units of phases, rounded to the nearest.
    const origin = (step * 0.5 + perLine * (line + 0.5) + start) * phaseCount + 0.5;
    let base = source.start + line * lineStride;
    for (let item = 0; item < count; item++, out += 3, base += itemStride) {
      const at = Math.floor(origin + stride * item);
      const phase = at & (phaseCount - 1);
      const begin = (at - phase) / phaseCount + first[phase]!;
      if (begin >= limit || begin + taps <= 0) {
        target[out] = fillRed;
        target[out + 1] = fillGreen;
        target[out + 2] = fillBlue;
        continue;
      }
      let red = oneHalf;
      let green = oneHalf;
      let blue = oneHalf;
      let k = phase * taps;
      const end = k + taps;
      if (begin >= 0 && begin + taps <= limit) {
        for (let pixel = base + begin * tapStride; k < end; k++, pixel += tapStride) {
          const w = weights[k]!;
          red = (red + Math.imul(data[pixel]!, w)) | 0;
          green = (green + Math.imul(data[pixel + 1]!, w)) | 0;
          blue = (blue + Math.imul(data[pixel + 2]!, w)) | 0;
        }
      } else {
        for (let tap = begin; k < end; k++, tap++) {
          const w = weights[k]!;
          const isWithin = tap >= 0 && tap < limit;
          const pixel = base + tap * tapStride;
          red = (red + Math.imul(isWithin ? data[pixel]! : fillRed, w)) | 0;
          green = (green + Math.imul(isWithin ? data[pixel + 1]! : fillGreen, w)) | 0;
          blue = (blue + Math.imul(isWithin ? data[pixel + 2]! : fillBlue, w)) | 0;
        }
      }
      target[out] = clip8(red);
      target[out + 1] = clip8(green);
      target[out + 2] = clip8(blue);
    }
  }
}
