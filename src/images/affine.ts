/**
 * Crop, scale and rotation as one resampling, with the filters of `resize`: widened when shrinking, so that there is no
 * aliasing at any angle.
 *
 * Two passes, first along rows, then along columns (Catmull and Smith, "3-D transformations of images in scanline
 * order", SIGGRAPH 1980): an affine map advances by one constant step along each row, and by another along each column.
 * The cost is that of `resize`, to which it reduces without rotation. A single pass with a rotated filter would cost its
 * square.
 */

import {
  type AffineKernel,
  type AffinePass,
  type AffineSource,
  type Color,
  phaseCount,
  resampleLines,
} from "./affine-pass.ts";
import { filters, type Interpolation, precisionBits } from "./axis.ts";
import { resampleAffineFast } from "./kernels-augment.ts";
import type { Picture } from "./resize.ts";

export type { Color } from "./affine-pass.ts";

/**
 * The position in the picture of a point of the result: `x = a·u + b·v + c`, `y = d·u + e·v + f`, in pixels from the
 * upper left corners; the first pixel's centre is (0.5, 0.5).
 */
export interface AffineMap {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
  readonly f: number;
}

function kernelOf(step: number, interpolation: Interpolation): AffineKernel {
  const { radius, weight, isNarrow } = filters[interpolation];
  const scale = isNarrow === true ? 1 : Math.max(Math.abs(step), 1);
  const support = radius * scale;
  const taps = Math.floor(2 * support) + 1;
  const first = new Int32Array(phaseCount);
  const weights = new Int32Array(phaseCount * taps);
  const real = new Float64Array(taps);
  for (let phase = 0; phase < phaseCount; phase++) {
    const center = phase / phaseCount;
    const begin = Math.floor(center - support + 0.5);
    const count = Math.floor(center + support + 0.5) - begin;
    let sum = 0;
    for (let k = 0; k < count; k++) {
      const w = weight((begin + k - center + 0.5) / scale);
      real[k] = w;
      sum += w;
    }
    for (let k = 0; k < count; k++) {
      weights[phase * taps + k] = Math.round((real[k]! / sum) * (1 << precisionBits));
    }
    first[phase] = begin;
  }
  return { taps, first, weights, support };
}

/** Rows between the two passes; only grows, since allocating costs more than filling. */
let scratch = new Uint8Array(0);

/**
 * The picture through an affine map, `width × height`; outside the picture is the colour `fill`.
 * @param map `|e|` must not be small compared with `|d|`, as for rotations by up to 45 degrees
 * @param into where to write the result, three bytes per pixel; not the picture itself
 */
export function resampleAffine(
  picture: Picture,
  map: AffineMap,
  width: number,
  height: number,
  interpolation: Interpolation,
  fill: Color,
  into: Uint8Array = new Uint8Array(width * height * 3),
): Picture {
  const { a, b, c, d, e, f } = map;
  if (!(Math.abs(e) > 0)) throw new RangeError("resampleAffine: columns become rows");
  // A result column meets the picture's row y at v = (y − d·u − f) / e.
  const alongRows = { step: a - (b * d) / e, perLine: b / e, start: c - (b * f) / e };
  const alongColumns = { step: d, perLine: e, start: f };
  const rowKernel = kernelOf(alongRows.step, interpolation);
  const columnKernel = kernelOf(e, interpolation);

  const corners = [0, d * width, e * height, d * width + e * height].map((y) => y + f);
  const reach = columnKernel.support + 1;
  const top = Math.min(picture.height, Math.max(0, Math.floor(Math.min(...corners) - reach)));
  const bottom = Math.max(top, Math.min(picture.height, Math.ceil(Math.max(...corners) + reach)));
  const bytes = (bottom - top) * width * 3;
  if (scratch.length < bytes) scratch = new Uint8Array(bytes);

  const rowBytes = width * 3;
  const pixels = picture.width * 3;
  resamplePass(
    {
      data: picture.data.subarray(top * pixels, bottom * pixels),
      start: -top * pixels,
      lineStride: pixels,
      itemStride: 0,
      tapStride: 3,
      taps: picture.width,
    },
    { ...alongRows, kernel: rowKernel, first: top, end: bottom },
    width,
    fill,
    scratch,
  );
  resamplePass(
    {
      data: scratch.subarray(0, bytes),
      start: -top * rowBytes,
      lineStride: 0,
      itemStride: 3,
      tapStride: rowBytes,
      taps: picture.height,
    },
    { ...alongColumns, kernel: columnKernel, first: 0, end: height },
    width,
    fill,
    into,
  );
  return { width, height, data: into };
}

function resamplePass(source: AffineSource, pass: AffinePass, count: number, fill: Color, target: Uint8Array): void {
  if (!resampleAffineFast(source, pass, count, fill, target)) resampleLines(source, pass, count, fill, target);
}

/**
 * A box of a picture rotated about its centre, resized to `size × size`: in one resampling what OpenCV's
 * `getRotationMatrix2D` and `warpAffine` of the whole picture, a crop and a resize do in three.
 * @param degrees counter-clockwise
 */
export function rotatedBox(
  { width, height }: Pick<Picture, "width" | "height">,
  box: { readonly left: number; readonly top: number; readonly width: number; readonly height: number },
  degrees: number,
  size: number,
): AffineMap {
  const cos = Math.cos((degrees * Math.PI) / 180);
  const sin = Math.sin((degrees * Math.PI) / 180);
  const scaleX = box.width / size;
  const scaleY = box.height / size;
  // From the picture's centre to the box's corner.
  const x = box.left - width / 2;
  const y = box.top - height / 2;
  return {
    a: cos * scaleX,
    b: -sin * scaleY,
    c: cos * x - sin * y + width / 2,
    d: sin * scaleX,
    e: cos * scaleY,
    f: sin * x + cos * y + height / 2,
  };
}
