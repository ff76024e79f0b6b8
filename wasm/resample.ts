/**
 * The two passes of src/images/resample.ts, with the same results to the last bit.
 *
 * A weight has 24 bits, and the fast SIMD multiplication 16, so each weight has two parts, `high · 2^12 + low`. One
 * instruction multiplies and adds two taps: a pair of taps is eight bytes, `low0 low1 high0 high1` as int16.
 */

const PRECISION_BITS = 22;
const LOW_BITS = 12;
const PAIR_BYTES = 8;

/**
 * Joins the sums of both parts, in four lanes, to whole numbers. The low sum includes half of the last digit, for
 * rounding.
 */
function whole(low: v128, high: v128): v128 {
  return i32x4.shr_s(i32x4.add(i32x4.shl(high, LOW_BITS), low), PRECISION_BITS);
}

/** Two taps each from `a` and `b`. */
function four(a: v128, b: v128, weightsOfA: v128, weightsOfB: v128): v128 {
  return i32x4.add(i32x4.dot_i16x8_s(a, weightsOfA), i32x4.dot_i16x8_s(b, weightsOfB));
}

/**
 * Resamples along rows, four rows at a time: up to three extra rows are read and written, and one extra byte is written
 * to each. `first` has int32s: the first pixel of each item. `pairs` has int32s: pairs of taps, padded with zeros to
 * groups of four.
 * @param tapBytes bytes of the taps of one item
 */
export function resampleRows(
  source: usize,
  stride: usize,
  rows: i32,
  first: usize,
  pairs: usize,
  taps: usize,
  tapBytes: usize,
  width: i32,
  target: usize,
  targetStride: usize,
): void {
  // Spreads two of four pixels `rgbrgbrgbrgb` at a time to 16 bits, with the two values of each channel adjacent. −1
  // gives zero; V8 needs no extra instruction for it, unlike for 16.
  const earlier = i8x16(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
  const later = i8x16(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const half = i32x4.splat(1 << (PRECISION_BITS - 1));
  for (let y = 0; y < rows; y += 4) {
    let out = target;
    for (let x: usize = 0; x < <usize>width; x++) {
      let pixel = source + 3 * <usize>load<u32>(first + 4 * x);
      let tap = taps + x * tapBytes;
      const end = tap + PAIR_BYTES * <usize>load<u32>(pairs + 4 * x);
      let low0 = half;
      let low1 = half;
      let low2 = half;
      let low3 = half;
      let high0 = i32x4.splat(0);
      let high1 = i32x4.splat(0);
      let high2 = i32x4.splat(0);
      let high3 = i32x4.splat(0);
      do {
        let row = pixel;
        const four0 = v128.load(row);
        row += stride;
        const four1 = v128.load(row);
        row += stride;
        const four2 = v128.load(row);
        row += stride;
        const four3 = v128.load(row);
        const lowA = v128.load32_splat(tap);
        const highA = v128.load32_splat(tap, 4);
        const lowB = v128.load32_splat(tap, 8);
        const highB = v128.load32_splat(tap, 12);
        const a0 = i8x16.swizzle(four0, earlier);
        const b0 = i8x16.swizzle(four0, later);
        low0 = i32x4.add(low0, four(a0, b0, lowA, lowB));
        high0 = i32x4.add(high0, four(a0, b0, highA, highB));
        const a1 = i8x16.swizzle(four1, earlier);
        const b1 = i8x16.swizzle(four1, later);
        low1 = i32x4.add(low1, four(a1, b1, lowA, lowB));
        high1 = i32x4.add(high1, four(a1, b1, highA, highB));
        const a2 = i8x16.swizzle(four2, earlier);
        const b2 = i8x16.swizzle(four2, later);
        low2 = i32x4.add(low2, four(a2, b2, lowA, lowB));
        high2 = i32x4.add(high2, four(a2, b2, highA, highB));
        const a3 = i8x16.swizzle(four3, earlier);
        const b3 = i8x16.swizzle(four3, later);
        low3 = i32x4.add(low3, four(a3, b3, lowA, lowB));
        high3 = i32x4.add(high3, four(a3, b3, highA, highB));
        tap += 2 * PAIR_BYTES;
        pixel += 12;
      } while (tap < end);
      // Stores four bytes instead of three; the next store overwrites the fourth.
      const words01 = i16x8.narrow_i32x4_s(whole(low0, high0), whole(low1, high1));
      const words23 = i16x8.narrow_i32x4_s(whole(low2, high2), whole(low3, high3));
      const pixels = i8x16.narrow_i16x8_u(words01, words23);
      let to = out;
      v128.store32_lane(to, pixels, 0);
      to += targetStride;
      v128.store32_lane(to, pixels, 1);
      to += targetStride;
      v128.store32_lane(to, pixels, 2);
      to += targetStride;
      v128.store32_lane(to, pixels, 3);
      out += 3;
    }
    source += 4 * stride;
    target += 4 * targetStride;
  }
}

/** Resamples along columns, sixteen bytes at a time. Writes up to 15 extra bytes, and reads up to one extra row. */
export function resampleColumns(
  source: usize,
  stride: usize,
  first: usize,
  pairs: usize,
  taps: usize,
  tapBytes: usize,
  rowBytes: usize,
  height: i32,
  target: usize,
): void {
  const half = i32x4.splat(1 << (PRECISION_BITS - 1));
  for (let y: usize = 0; y < <usize>height; y++) {
    const top = source + stride * <usize>load<u32>(first + 4 * y);
    const begin = taps + y * tapBytes;
    const end = begin + PAIR_BYTES * <usize>load<u32>(pairs + 4 * y);
    for (let x: usize = 0; x < rowBytes; x += 16) {
      let low0 = half;
      let low1 = half;
      let low2 = half;
      let low3 = half;
      let high0 = i32x4.splat(0);
      let high1 = i32x4.splat(0);
      let high2 = i32x4.splat(0);
      let high3 = i32x4.splat(0);
      let row = top + x;
      for (let tap = begin; tap < end; tap += PAIR_BYTES, row += 2 * stride) {
        const a = v128.load(row);
        const b = v128.load(row + stride);
        const ab0 = v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const ab1 = v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        const low = v128.load32_splat(tap);
        const high = v128.load32_splat(tap, 4);
        const c0 = i16x8.extend_low_i8x16_u(ab0);
        low0 = i32x4.add(low0, i32x4.dot_i16x8_s(c0, low));
        high0 = i32x4.add(high0, i32x4.dot_i16x8_s(c0, high));
        const c1 = i16x8.extend_high_i8x16_u(ab0);
        low1 = i32x4.add(low1, i32x4.dot_i16x8_s(c1, low));
        high1 = i32x4.add(high1, i32x4.dot_i16x8_s(c1, high));
        const c2 = i16x8.extend_low_i8x16_u(ab1);
        low2 = i32x4.add(low2, i32x4.dot_i16x8_s(c2, low));
        high2 = i32x4.add(high2, i32x4.dot_i16x8_s(c2, high));
        const c3 = i16x8.extend_high_i8x16_u(ab1);
        low3 = i32x4.add(low3, i32x4.dot_i16x8_s(c3, low));
        high3 = i32x4.add(high3, i32x4.dot_i16x8_s(c3, high));
      }
      const upper = i16x8.narrow_i32x4_s(whole(low0, high0), whole(low1, high1));
      const lower = i16x8.narrow_i32x4_s(whole(low2, high2), whole(low3, high3));
      v128.store(target + x, i8x16.narrow_i16x8_u(upper, lower));
    }
    target += rowBytes;
  }
}
