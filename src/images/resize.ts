/**
 * Pillow's resampler, bit for bit. A network's training pixels depend on the filter, its antialiasing and its rounding,
 * and its accuracy is measurably lower on other pixels.
 *
 * After Pillow's `src/libImaging/Resample.c`: a separable filter, widened by the scale when shrinking; fixed-point
 * weights with 22 fractional bits; first along rows, then along columns, rounded to 8 bits in between.
 */

import { axisOf, type Interpolation } from "./axis.ts";
import { resampleFast } from "./kernels.ts";
import { type Resampling, resample } from "./resample.ts";

export { type Interpolation, interpolations } from "./axis.ts";

/** An 8-bit RGB picture: `data[(y · width + x) · 3 + channel]`. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A rectangle of whole pixels within a picture. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface ResizeOptions {
  /** The part of the picture to resize, without influence of pixels outside it; default: all. */
  readonly box?: Box;
  /** The part of the result to compute; default: all. */
  readonly window?: Box;
  /** Where to write the result, three bytes per pixel; default: newly allocated. Not the picture itself. */
  readonly into?: Uint8Array;
}

/**
 * Resizes a picture. Equal to Pillow's `picture.crop(box).resize((width, height), resample).crop(window)`.
 * @throws RangeError where a box is outside its picture, or `into` is too small
 */
export function resize(
  picture: Picture,
  width: number,
  height: number,
  interpolation: Interpolation,
  options: ResizeOptions = {},
): Picture {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new RangeError(`resize to ${width}×${height}: positive whole numbers wanted`);
  }
  const { box = whole(picture), window = whole({ width, height }) } = options;
  checkBox(picture, box);
  checkBox({ width, height }, window);
  const rowBytes = window.width * 3;
  const into = options.into ?? new Uint8Array(rowBytes * window.height);
  if (into.length < rowBytes * window.height) {
    throw new RangeError(`resize to ${window.width}×${window.height}: ${into.length} bytes are too few`);
  }

  // As in Pillow, a pass that would change nothing is left out, and the first pass computes only the rows that the
  // second reads.
  const horizontal =
    box.width === width ? undefined : axisOf(box.width, width, window.left, window.width, interpolation);
  const vertical =
    box.height === height ? undefined : axisOf(box.height, height, window.top, window.height, interpolation);
  const top = vertical === undefined ? window.top : vertical.first[0]!;
  const bottom =
    vertical === undefined
      ? top + window.height
      : vertical.first[window.height - 1]! + vertical.count[window.height - 1]!;

  const stride = picture.width * 3;
  const task: Resampling = {
    source: picture.data,
    offset: (box.top + top) * stride + (box.left + (horizontal === undefined ? window.left : 0)) * 3,
    stride,
    rows: bottom - top,
    width: window.width,
    height: window.height,
    horizontal,
    vertical,
    top,
  };
  if (!resampleFast(task, into)) resample(task, into);
  return { width: window.width, height: window.height, data: into };
}

const whole = ({ width, height }: Pick<Picture, "width" | "height">): Box => ({ left: 0, top: 0, width, height });

export function checkBox(picture: Pick<Picture, "width" | "height">, { left, top, width, height }: Box): void {
  const within =
    [left, top, width, height].every(Number.isInteger) &&
    left >= 0 &&
    top >= 0 &&
    width >= 1 &&
    height >= 1 &&
    left + width <= picture.width &&
    top + height <= picture.height;
  if (!within) {
    throw new RangeError(
      `the box ${width}×${height} at (${left}, ${top}) is not within the ${picture.width}×${picture.height} picture`,
    );
  }
}
