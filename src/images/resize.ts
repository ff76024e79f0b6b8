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

/** `linear` is OpenCV's, and so Caffe's: between the nearest pixels, however much smaller the picture becomes. */
export type Interpolation = "bilinear" | "bicubic" | "linear";
export const interpolations = ["bilinear", "bicubic", "linear"] as const satisfies readonly Interpolation[];

/** A rectangle of whole pixels within a picture. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** `32 − 8 − 2` in Pillow: 8 bits of pixel, and 2 of room for the overshoot of negative lobes. */
const PRECISION_BITS = 22;

/** A kernel on its support `[−radius, radius]`. */
interface Filter {
  readonly radius: number;
  readonly weight: (x: number) => number;
  /** Does not widen when shrinking, so that pixels in between are not looked at. */
  readonly isNarrow?: true;
}

const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x));

const filters: Readonly<Record<Interpolation, Filter>> = {
  bilinear: { radius: 1, weight: triangle },
  linear: { radius: 1, weight: triangle, isNarrow: true },
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

/**
 * The filter of one axis, for some of its output pixels: pixel `i` of them is the sum over `k < count[i]` of
 * `weights[i·taps + k] · input[first[i] + k]`.
 */
interface Axis {
  readonly taps: number;
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
}

/**
 * The weights that bring `inputSize` pixels to `outputSize`, of which `length` from `start` on are wanted
 * (`precompute_coeffs` and `normalize_coeffs_8bpc`).
 */
function precompute(
  inputSize: number,
  outputSize: number,
  start: number,
  length: number,
  interpolation: Interpolation,
): Axis {
  const { radius, weight, isNarrow } = filters[interpolation];
  const scale = inputSize / outputSize;
  const filterScale = isNarrow === true ? 1 : Math.max(scale, 1);
  const support = radius * filterScale;
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(length);
  const count = new Int32Array(length);
  const weights = new Int32Array(length * taps);
  const real = new Float64Array(taps);
  const inverse = 1 / filterScale;
  for (let i = 0; i < length; i++) {
    const center = (start + i + 0.5) * scale;
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

function axisOf(
  inputSize: number,
  outputSize: number,
  start: number,
  length: number,
  interpolation: Interpolation,
): Axis {
  const key = `${interpolation} ${inputSize} ${outputSize} ${start} ${length}`;
  let axis = cache.get(key);
  if (axis === undefined) {
    axis = precompute(inputSize, outputSize, start, length, interpolation);
    if (cache.size >= CACHED_AXES) cache.delete(cache.keys().next().value!);
    cache.set(key, axis);
  }
  return axis;
}

/** The rows between the two passes; grown, never shrunk, because allocating it costs more than filling it. */
let scratch = new Uint8Array(0);

export interface ResizeOptions {
  /** The part of the picture to resize; pixels outside it do not bleed in. The whole by default. */
  readonly box?: Box;
  /** The part of the result that is wanted: the same pixels, without making the others. The whole by default. */
  readonly window?: Box;
  /** Where to write the result, three bytes a pixel; fresh memory by default. Not the picture itself. */
  readonly into?: Uint8Array;
}

/**
 * The picture at `width × height`. Equal to Pillow's `picture.crop(box).resize((width, height), resample).crop(window)`.
 * @throws RangeError where a box is not within its picture, or `into` is too small
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

  // As Pillow does: a pass that would change nothing is left out, and the first pass makes only the rows the second reads.
  const horizontal =
    box.width === width ? undefined : axisOf(box.width, width, window.left, window.width, interpolation);
  const vertical =
    box.height === height ? undefined : axisOf(box.height, height, window.top, window.height, interpolation);
  const top = vertical === undefined ? window.top : vertical.first[0]!;
  const bottom =
    vertical === undefined
      ? top + window.height
      : vertical.first[window.height - 1]! + vertical.count[window.height - 1]!;

  let source = picture.data;
  let stride = picture.width * 3;
  let offset = (box.top + top) * stride + (box.left + (horizontal === undefined ? window.left : 0)) * 3;
  if (horizontal !== undefined) {
    let target = into;
    if (vertical !== undefined) {
      if (scratch.length < rowBytes * (bottom - top)) scratch = new Uint8Array(rowBytes * (bottom - top));
      target = scratch;
    }
    resampleRows(source, offset, stride, bottom - top, horizontal, window.width, target);
    source = target;
    stride = rowBytes;
    offset = 0;
  }
  if (vertical !== undefined) {
    resampleColumns(source, offset - top * stride, stride, rowBytes, vertical, window.height, into);
  } else if (horizontal === undefined) {
    for (let y = 0; y < window.height; y++) {
      into.set(source.subarray(offset + y * stride, offset + y * stride + rowBytes), y * rowBytes);
    }
  }
  return { width: window.width, height: window.height, data: into };
}

const whole = ({ width, height }: Pick<Picture, "width" | "height">): Box => ({ left: 0, top: 0, width, height });

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

function checkBox(picture: Pick<Picture, "width" | "height">, { left, top, width, height }: Box): void {
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
