/**
 * A pass of src/images/affine.ts with the same results to the last bit: one pixel at a time, its channels in parallel.
 */

const PRECISION_BITS = 22;
const PHASES = 256;

/** A pixel's three bytes, and the byte after them, as four int32. */
function pixelAt(place: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(place)));
}

/**
 * @param source address of tap 0 of item 0 of line 0
 * @param limit taps from 0 to `limit` are in the picture; others have the colour `fill`, red in the lowest byte
 * @param first int32 for each phase: the distance to the first tap
 * @param weights `taps` int32 for each phase
 * @param target receives three bytes for each item, and one extra byte at the end
 */
export function resampleAffine(
  source: i32,
  lineStride: i32,
  itemStride: i32,
  tapStride: i32,
  limit: i32,
  step: f64,
  perLine: f64,
  start: f64,
  line: i32,
  end: i32,
  count: i32,
  first: usize,
  weights: usize,
  taps: i32,
  fill: i32,
  target: usize,
): void {
  const stride = step * PHASES;
  const outside = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(i32x4.splat(fill)));
  const half = i32x4.splat(1 << (PRECISION_BITS - 1));
  for (; line < end; line++) {
    const origin = (step * 0.5 + perLine * (<f64>line + 0.5) + start) * PHASES + 0.5;
    let base = source + line * lineStride;
    for (let item = 0; item < count; item++) {
      const at = <i32>Math.floor(origin + stride * <f64>item);
      const phase = at & (PHASES - 1);
      const begin = (at >> 8) + load<i32>(first + 4 * phase);
      let weight = weights + 4 * <usize>(phase * taps);
      const last = weight + 4 * <usize>taps;
      let sum = half;
      if (begin >= 0 && begin + taps <= limit) {
        for (let pixel = base + begin * tapStride; weight < last; weight += 4, pixel += tapStride) {
          sum = i32x4.add(sum, i32x4.mul(pixelAt(<usize>pixel), v128.load32_splat(weight)));
        }
      } else if (begin >= limit || begin + taps <= 0) {
        sum = i32x4.shl(outside, PRECISION_BITS);
      } else {
        for (let tap = begin; weight < last; weight += 4, tap++) {
          const value = tap >= 0 && tap < limit ? pixelAt(<usize>(base + tap * tapStride)) : outside;
          sum = i32x4.add(sum, i32x4.mul(value, v128.load32_splat(weight)));
        }
      }
      const words = i32x4.shr_s(sum, PRECISION_BITS);
      const bytes = i16x8.narrow_i32x4_s(words, words);
      v128.store32_lane(target, i8x16.narrow_i16x8_u(bytes, bytes), 0);
      target += 3;
      base += itemStride;
    }
  }
}
