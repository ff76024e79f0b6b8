/**
 * Pillow's resampler, bit for bit: the pixels that a network was trained on depend on the filter, its antialiasing and
 * its rounding, and a network is measurably worse on other pixels.
 *
 * After Pillow's `src/libImaging/Resample.c`: a separable filter, widened by the scale when shrinking; weights in fixed
 * point with 22 fractional bits; first along rows, then along columns, with the rows between rounded to 8 bits.
 */

/** An 8-bit RGB picture: `data[(y · width + x) · 3 + channel]`. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export type Interpolation = "bilinear" | "bicubic";

/** A rectangle of whole pixels within a picture. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** `32 − 8 − 2` in Pillow: 8 bits of pixel, and 2 of room for the overshoot of negative lobes. */
const PRECISION_BITS = 22;

/** Kernels on their support `[−radius, radius]`. */
const filters: Readonly<Record<Interpolation, { radius: number; weight: (x: number) => number }>> = {
  bilinear: {
    radius: 1,
    weight: (x) => {
      x = Math.abs(x);
      return x < 1 ? 1 - x : 0;
    },
  },
  // Catmull and Rom's cubic: a = −0.5, unlike OpenCV's and PyTorch's −0.75.
  bicubic: {
    radius: 2,
    weight: (x) => {
      const a = -0.5;
      x = Math.abs(x);
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
      return 0;
    },
  },
};

/** The filter of one axis: output pixel `i` is the sum over `k < count[i]` of `weights[i·taps + k] · input[first[i] + k]`. */
interface Axis {
  readonly taps: number;
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
}

/** The weights that bring `inputSize` pixels to `outputSize` (`precompute_coeffs` and `normalize_coeffs_8bpc`). */
function precompute(inputSize: number, outputSize: number, interpolation: Interpolation): Axis {
  const { radius, weight } = filters[interpolation];
  const scale = inputSize / outputSize;
  const filterScale = Math.max(scale, 1);
  const support = radius * filterScale;
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outputSize);
  const count = new Int32Array(outputSize);
  const weights = new Int32Array(outputSize * taps);
  const real = new Float64Array(taps);
  const inverse = 1 / filterScale;
  for (let i = 0; i < outputSize; i++) {
    const center = (i + 0.5) * scale;
    // Truncation, not floor, as C's conversion to int; both ends are clipped to the input.
    const begin = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(inputSize, Math.trunc(center + support + 0.5));
    const n = end - begin;
    let sum = 0;
    for (let k = 0; k < n; k++) {
      const w = weight((k + begin - center + 0.5) * inverse);
      real[k] = w;
      sum += w;
    }
    for (let k = 0; k < n; k++) {
      const normalised = sum === 0 ? real[k]! : real[k]! / sum;
      const fixed = normalised * (1 << PRECISION_BITS);
      weights[i * taps + k] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    first[i] = begin;
    count[i] = n;
  }
  return { taps, first, count, weights };
}

/** Recently used axes: an evaluation resizes thousands of pictures of a few sizes. */
const cache = new Map<string, Axis>();
const CACHED_AXES = 64;

function axisOf(inputSize: number, outputSize: number, interpolation: Interpolation): Axis {
  const key = `${interpolation} ${inputSize} ${outputSize}`;
  let axis = cache.get(key);
  if (axis === undefined) {
    axis = precompute(inputSize, outputSize, interpolation);
    if (cache.size >= CACHED_AXES) cache.delete(cache.keys().next().value!);
    cache.set(key, axis);
  }
  return axis;
}

/** The rows between the two passes; grown, never shrunk, because allocating it costs more than filling it. */
let scratch = new Uint8Array(0);

/**
 * The picture, or the part of it inside `box`, at `width × height`. Equal to Pillow's
 * `image.crop(box).resize((width, height), resample)`: pixels outside the box do not bleed in.
 * @param into where to write the result, `width · height · 3` bytes; fresh memory by default. Not the picture itself.
 */
export function resize(
  picture: Picture,
  width: number,
  height: number,
  interpolation: Interpolation,
  box: Box = { left: 0, top: 0, width: picture.width, height: picture.height },
  into?: Uint8Array,
): Picture {
  checkBox(picture, box);
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new RangeError(`resize to ${width}×${height}: positive whole numbers wanted`);
  }
  into ??= new Uint8Array(width * height * 3);
  if (into.length < width * height * 3) {
    throw new RangeError(`resize to ${width}×${height}: ${into.length} bytes are too few`);
  }
  const result = { width, height, data: into };

  // As Pillow does: a pass that would change nothing is left out, and the first pass makes only the rows the second reads.
  const vertical = box.height === height ? undefined : axisOf(box.height, height, interpolation);
  const horizontal = box.width === width ? undefined : axisOf(box.width, width, interpolation);
  let rows: { data: Uint8Array; offset: number; stride: number } = {
    data: picture.data,
    offset: (box.top * picture.width + box.left) * 3,
    stride: picture.width * 3,
  };
  if (horizontal !== undefined) {
    let target = into;
    if (vertical !== undefined) {
      if (scratch.length < width * box.height * 3) scratch = new Uint8Array(width * box.height * 3);
      target = scratch;
    }
    resampleRows(rows.data, rows.offset, rows.stride, box.height, horizontal, width, target);
    rows = { data: target, offset: 0, stride: width * 3 };
  }
  if (vertical !== undefined) {
    resampleColumns(rows.data, rows.offset, rows.stride, width * 3, vertical, height, into);
  } else if (horizontal === undefined) {
    for (let y = 0; y < height; y++) {
      const start = rows.offset + y * rows.stride;
      into.set(rows.data.subarray(start, start + width * 3), y * width * 3);
    }
  }
  return result;
}

const HALF = 1 << (PRECISION_BITS - 1);

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
      let red = HALF;
      let green = HALF;
      let blue = HALF;
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
    // Three columns at a time (a row has three bytes a pixel): one look at the weight serves all.
    for (let x = 0; x < rowBytes; x += 3) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
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

function clip8(fixed: number): number {
  const value = fixed >> PRECISION_BITS;
  // Nearly always within; the comparison is cheaper than the two calls.
  return (value & ~255) === 0 ? value : value < 0 ? 0 : 255;
}

function checkBox(picture: Picture, { left, top, width, height }: Box): void {
  const whole = [left, top, width, height].every(Number.isInteger);
  if (
    !whole ||
    left < 0 ||
    top < 0 ||
    width < 1 ||
    height < 1 ||
    left + width > picture.width ||
    top + height > picture.height
  ) {
    throw new RangeError(
      `the box ${width}×${height} at (${left}, ${top}) is not within the ${picture.width}×${picture.height} picture`,
    );
  }
}
