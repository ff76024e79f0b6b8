/**
 * The weights of Pillow's resampler, bit for bit, after `precompute_coeffs` and `normalize_coeffs_8bpc` in its
 * `src/libImaging/Resample.c`: a filter, widened by the scale when shrinking; fixed-point weights with 22 fractional
 * bits.
 */

/** `linear` is OpenCV's and Caffe's: between the nearest pixels, even when shrinking. */
export type Interpolation = "bilinear" | "bicubic" | "linear";
export const interpolations = ["bilinear", "bicubic", "linear"] as const satisfies readonly Interpolation[];

/** `32 − 8 − 2` in Pillow: 8 bits for pixels, and 2 for the overshoot of negative lobes. */
export const precisionBits = 22;

/** A kernel on its support `[−radius, radius]`. */
export interface Filter {
  readonly radius: number;
  readonly weight: (x: number) => number;
  /** Not widened when shrinking, so that pixels in between are ignored. */
  readonly isNarrow?: true;
}

const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x));

export const filters: Readonly<Record<Interpolation, Filter>> = {
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
 * The filter of one axis, for a range of output pixels: pixel `i` is the sum over `k < count[i]` of `weights[i·taps +
 * k] · input[first[i] + k]`.
 */
export interface Axis {
  readonly taps: number;
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
}

/**
 * Weights that resize `inputSize` pixels to `outputSize`, for `length` output pixels from `start` on
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
    // Truncation, not floor, like C's conversion to int; both ends are clipped to the input.
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
      const fixed = normalised * (1 << precisionBits);
      weights[i * taps + k] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    first[i] = begin;
    count[i] = n;
  }
  return { taps, first, count, weights };
}

/** Cache of axes: pictures come in a few sizes, and random crops of small ones in a few hundred. */
const cache = new Map<string, Axis>();
const mostCachedBytes = 4 * 2 ** 20;
let cachedBytes = 0;

const bytesOf = ({ first, count, weights }: Axis): number => first.byteLength + count.byteLength + weights.byteLength;

export function axisOf(
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
    cachedBytes += bytesOf(axis);
    // Drop the oldest.
    for (const [old, other] of cache) {
      if (cachedBytes <= mostCachedBytes) break;
      cachedBytes -= bytesOf(other);
      cache.delete(old);
    }
    cache.set(key, axis);
  }
  return axis;
}
