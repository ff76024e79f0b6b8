/**
 * The inverse DCT, from coefficients to 8, 4, 2 or 1 samples a side, with the same results as libjpeg's `jidctint.c`
 * and `jidctred.c` to the last bit (after Loeffler, Ligtenberg and Moschytz, 1989), two products at a time. Constants
 * have 13 fractional bits, values between the passes 2. Functions are marked inline because calls would take a tenth of
 * the time.
 */

/** Two constants in each lane of 32 bits. */
function pair(a: i32, b: i32): v128 {
  return i32x4.splat((a & 0xffff) | (b << 16));
}

/** Interleaves the lower or the upper halves of two vectors of int16. */
function lowPairs(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
function highPairs(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/**
 * Four lanes of a pass. `sum04` and `difference04` are the sum and difference of the first and fifth input, times 2^13;
 * the other arguments are pairs.
 */
// @inline
function half(
  sum04: v128,
  difference04: v128,
  even26: v128,
  odd71: v128,
  odd53: v128,
  sums37and15: v128,
  target: usize,
  shift: i32,
): void {
  const bias = i32x4.splat(1 << (shift - 1));
  const even0 = i32x4.add(sum04, bias);
  const even1 = i32x4.add(difference04, bias);
  const even2 = i32x4.dot_i16x8_s(even26, pair(4433, -10704));
  const even3 = i32x4.dot_i16x8_s(even26, pair(10703, 4433));
  const e0 = i32x4.add(even0, even3);
  const e3 = i32x4.sub(even0, even3);
  const e1 = i32x4.add(even1, even2);
  const e2 = i32x4.sub(even1, even2);
  const z3 = i32x4.dot_i16x8_s(sums37and15, pair(-6436, 9633));
  const z4 = i32x4.dot_i16x8_s(sums37and15, pair(9633, 6437));
  const o0 = i32x4.add(i32x4.dot_i16x8_s(odd71, pair(-7373, 4926)), z4);
  const o1 = i32x4.add(i32x4.dot_i16x8_s(odd53, pair(-20995, 4177)), z3);
  const o2 = i32x4.add(i32x4.dot_i16x8_s(odd53, pair(-4176, -20995)), z4);
  const o3 = i32x4.add(i32x4.dot_i16x8_s(odd71, pair(-4927, -7373)), z3);
  storeFour(target, i32x4.add(e0, o0), shift);
  storeFour(target + 16, i32x4.add(e1, o1), shift);
  storeFour(target + 32, i32x4.add(e2, o2), shift);
  storeFour(target + 48, i32x4.add(e3, o3), shift);
  storeFour(target + 64, i32x4.sub(e3, o3), shift);
  storeFour(target + 80, i32x4.sub(e2, o2), shift);
  storeFour(target + 96, i32x4.sub(e1, o1), shift);
  storeFour(target + 112, i32x4.sub(e0, o0), shift);
}

function storeFour(target: usize, values: v128, shift: i32): void {
  v128.store(target, i32x4.shr_s(values, shift));
}

/** A pass over eight vectors of int16, for their eight lanes in parallel. */
// @inline
function pass(v0: v128, v1: v128, v2: v128, v3: v128, v4: v128, v5: v128, v6: v128, v7: v128, shift: i32): void {
  const one = i16x8.splat(1 << 13);
  const sum = i16x8.add(v0, v4);
  const difference = i16x8.sub(v0, v4);
  const z3 = i16x8.add(v3, v7);
  const z4 = i16x8.add(v1, v5);
  half(
    i32x4.extmul_low_i16x8_s(sum, one),
    i32x4.extmul_low_i16x8_s(difference, one),
    lowPairs(v2, v6),
    lowPairs(v7, v1),
    lowPairs(v5, v3),
    lowPairs(z3, z4),
    work,
    shift,
  );
  half(
    i32x4.extmul_high_i16x8_s(sum, one),
    i32x4.extmul_high_i16x8_s(difference, one),
    highPairs(v2, v6),
    highPairs(v7, v1),
    highPairs(v5, v3),
    highPairs(z3, z4),
    work + 128,
    shift,
  );
}

/** A pass stores eight vectors of int32 here for its first four lanes, and then eight for the others. */
const work = memory.data(256, 16);

/** One vector of the stored results, as int16. */
function passed(index: usize): v128 {
  return i16x8.narrow_i32x4_s(v128.load(work + 16 * index), v128.load(work + 16 * index, 128));
}

/** A row of eight coefficients, multiplied by their quantisation steps. */
function row(block: usize, steps: usize, index: usize): v128 {
  return i16x8.mul(v128.load(block + 16 * index), v128.load(steps + 16 * index));
}

export function idct8(block: usize, steps: usize, target: usize, stride: usize): void {
  pass(
    row(block, steps, 0),
    row(block, steps, 1),
    row(block, steps, 2),
    row(block, steps, 3),
    row(block, steps, 4),
    row(block, steps, 5),
    row(block, steps, 6),
    row(block, steps, 7),
    11,
  );
  const w0 = passed(0);
  const w1 = passed(1);
  const w2 = passed(2);
  const w3 = passed(3);
  const w4 = passed(4);
  const w5 = passed(5);
  const w6 = passed(6);
  const w7 = passed(7);
  const a0 = lowPairs(w0, w1);
  const a1 = highPairs(w0, w1);
  const a2 = lowPairs(w2, w3);
  const a3 = highPairs(w2, w3);
  const a4 = lowPairs(w4, w5);
  const a5 = highPairs(w4, w5);
  const a6 = lowPairs(w6, w7);
  const a7 = highPairs(w6, w7);
  const b0 = v128.shuffle<u32>(a0, a2, 0, 4, 1, 5);
  const b1 = v128.shuffle<u32>(a0, a2, 2, 6, 3, 7);
  const b2 = v128.shuffle<u32>(a1, a3, 0, 4, 1, 5);
  const b3 = v128.shuffle<u32>(a1, a3, 2, 6, 3, 7);
  const b4 = v128.shuffle<u32>(a4, a6, 0, 4, 1, 5);
  const b5 = v128.shuffle<u32>(a4, a6, 2, 6, 3, 7);
  const b6 = v128.shuffle<u32>(a5, a7, 0, 4, 1, 5);
  const b7 = v128.shuffle<u32>(a5, a7, 2, 6, 3, 7);
  pass(
    v128.shuffle<u64>(b0, b4, 0, 2),
    v128.shuffle<u64>(b0, b4, 1, 3),
    v128.shuffle<u64>(b1, b5, 0, 2),
    v128.shuffle<u64>(b1, b5, 1, 3),
    v128.shuffle<u64>(b2, b6, 0, 2),
    v128.shuffle<u64>(b2, b6, 1, 3),
    v128.shuffle<u64>(b3, b7, 0, 2),
    v128.shuffle<u64>(b3, b7, 1, 3),
    18,
  );
  // Transposes columns of eight bytes, two in each vector, to rows.
  const c0 = bytes(0);
  const c1 = bytes(2);
  const c2 = bytes(4);
  const c3 = bytes(6);
  const d0 = v128.shuffle<u8>(c0, c1, 0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
  const d1 = v128.shuffle<u8>(c0, c1, 4, 12, 20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31);
  const d2 = v128.shuffle<u8>(c2, c3, 0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
  const d3 = v128.shuffle<u8>(c2, c3, 4, 12, 20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31);
  storeRows(target, stride, v128.shuffle<u32>(d0, d2, 0, 4, 1, 5));
  storeRows(target + 2 * stride, stride, v128.shuffle<u32>(d0, d2, 2, 6, 3, 7));
  storeRows(target + 4 * stride, stride, v128.shuffle<u32>(d1, d3, 0, 4, 1, 5));
  storeRows(target + 6 * stride, stride, v128.shuffle<u32>(d1, d3, 2, 6, 3, 7));
}

/** Converts two vectors of values around zero to samples. */
function bytes(index: usize): v128 {
  return v128.xor(i8x16.narrow_i16x8_s(passed(index), passed(index + 1)), i8x16.splat(-128));
}

function storeRows(target: usize, stride: usize, two: v128): void {
  v128.store64_lane(target, two, 0);
  v128.store64_lane(target + stride, two, 1);
}

function value(block: usize, steps: usize, index: usize): i32 {
  return <i32>load<i16>(block + 2 * index) * <i32>load<i16>(steps + 2 * index);
}

function descale(x: i32, shift: i32): i32 {
  return (x + (1 << (shift - 1))) >> shift;
}

function sample(x: i32): u8 {
  return <u8>min(255, max(0, x + 128));
}

/** The sum of four products in each of four lanes. */
function four(a: v128, factorsOfA: v128, b: v128, factorsOfB: v128): v128 {
  return i32x4.add(i32x4.dot_i16x8_s(a, factorsOfA), i32x4.dot_i16x8_s(b, factorsOfB));
}

/** Converts to int32, times 2^shift, and adds half of the last digit that is dropped later. */
function scaledLow(x: v128, shift: i32, dropped: i32): v128 {
  return i32x4.add(i32x4.shl(i32x4.extend_low_i16x8_s(x), shift), i32x4.splat(1 << (dropped - 1)));
}
function scaledHigh(x: v128, shift: i32, dropped: i32): v128 {
  return i32x4.add(i32x4.shl(i32x4.extend_high_i16x8_s(x), shift), i32x4.splat(1 << (dropped - 1)));
}

function dropped(low: v128, high: v128, shift: i32): v128 {
  return i16x8.narrow_i32x4_s(i32x4.shr_s(low, shift), i32x4.shr_s(high, shift));
}

export function idct4(block: usize, steps: usize, target: usize, stride: usize): void {
  // Columns. The fifth row is not used.
  const x0 = row(block, steps, 0);
  const x1 = row(block, steps, 1);
  const x2 = row(block, steps, 2);
  const x3 = row(block, steps, 3);
  const x5 = row(block, steps, 5);
  const x6 = row(block, steps, 6);
  const x7 = row(block, steps, 7);
  const even26 = pair(15137, -6270);
  const near13 = pair(8697, -17799);
  const near57 = pair(11893, -1730);
  const far13 = pair(20995, 7373);
  const far57 = pair(-4926, -4176);
  let first = scaledLow(x0, 14, 12);
  let even = i32x4.dot_i16x8_s(lowPairs(x2, x6), even26);
  let odd13 = lowPairs(x1, x3);
  let odd57 = lowPairs(x5, x7);
  let outer = i32x4.add(first, even);
  let inner = i32x4.sub(first, even);
  let near = four(odd13, near13, odd57, near57);
  let far = four(odd13, far13, odd57, far57);
  const low0 = i32x4.add(outer, far);
  const low1 = i32x4.add(inner, near);
  const low2 = i32x4.sub(inner, near);
  const low3 = i32x4.sub(outer, far);
  first = scaledHigh(x0, 14, 12);
  even = i32x4.dot_i16x8_s(highPairs(x2, x6), even26);
  odd13 = highPairs(x1, x3);
  odd57 = highPairs(x5, x7);
  outer = i32x4.add(first, even);
  inner = i32x4.sub(first, even);
  near = four(odd13, near13, odd57, near57);
  far = four(odd13, far13, odd57, far57);
  const r0 = dropped(low0, i32x4.add(outer, far), 12);
  const r1 = dropped(low1, i32x4.add(inner, near), 12);
  const r2 = dropped(low2, i32x4.sub(inner, near), 12);
  const r3 = dropped(low3, i32x4.sub(outer, far), 12);
  // Rows, with two columns of four in each vector.
  const a0 = lowPairs(r0, r1);
  const a1 = lowPairs(r2, r3);
  const b0 = highPairs(r0, r1);
  const b1 = highPairs(r2, r3);
  const c01 = v128.shuffle<u32>(a0, a1, 0, 4, 1, 5);
  const c23 = v128.shuffle<u32>(a0, a1, 2, 6, 3, 7);
  const c45 = v128.shuffle<u32>(b0, b1, 0, 4, 1, 5);
  const c67 = v128.shuffle<u32>(b0, b1, 2, 6, 3, 7);
  first = scaledLow(c01, 14, 19);
  even = i32x4.dot_i16x8_s(lowPairs(c23, c67), even26);
  odd13 = highPairs(c01, c23);
  odd57 = highPairs(c45, c67);
  outer = i32x4.add(first, even);
  inner = i32x4.sub(first, even);
  near = four(odd13, near13, odd57, near57);
  far = four(odd13, far13, odd57, far57);
  const d01 = dropped(i32x4.add(outer, far), i32x4.add(inner, near), 19);
  const d23 = dropped(i32x4.sub(inner, near), i32x4.sub(outer, far), 19);
  const columns = v128.xor(i8x16.narrow_i16x8_s(d01, d23), i8x16.splat(-128));
  const rows = v128.shuffle<u8>(columns, columns, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  v128.store32_lane(target, rows, 0);
  v128.store32_lane(target + stride, rows, 1);
  v128.store32_lane(target + 2 * stride, rows, 2);
  v128.store32_lane(target + 3 * stride, rows, 3);
}

export function idct2(block: usize, steps: usize, target: usize, stride: usize): void {
  const x0 = row(block, steps, 0);
  const x1 = row(block, steps, 1);
  const x3 = row(block, steps, 3);
  const x5 = row(block, steps, 5);
  const x7 = row(block, steps, 7);
  const factors13 = pair(29692, -10426);
  const factors57 = pair(6967, -5906);
  const lowEven = scaledLow(x0, 15, 13);
  const highEven = scaledHigh(x0, 15, 13);
  const lowOdd = four(lowPairs(x1, x3), factors13, lowPairs(x5, x7), factors57);
  const highOdd = four(highPairs(x1, x3), factors13, highPairs(x5, x7), factors57);
  twoOf(dropped(i32x4.add(lowEven, lowOdd), i32x4.add(highEven, highOdd), 13), target);
  twoOf(dropped(i32x4.sub(lowEven, lowOdd), i32x4.sub(highEven, highOdd), 13), target + stride);
}

// @inline
function twoOf(columns: v128, target: usize): void {
  let sums = i32x4.dot_i16x8_s(columns, i16x8(0, 29692, 0, -10426, 0, 6967, 0, -5906));
  sums = i32x4.add(sums, v128.shuffle<u32>(sums, sums, 2, 3, 0, 1));
  const odd = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1);
  const even = (<i32>i16x8.extract_lane_s(columns, 0)) << 15;
  store<u8>(target, sample(descale(even + odd, 20)));
  store<u8>(target, sample(descale(even - odd, 20)), 1);
}

/** A block in which only the first coefficient is not zero, at any size. */
export function flat(block: usize, steps: usize, target: usize, stride: usize, size: i32): void {
  const all = i8x16.splat(<i8>sample(descale(value(block, steps, 0), 3)));
  for (let y = 0; y < size; y++) {
    if (size === 8) v128.store64_lane(target, all, 0);
    else if (size === 4) v128.store32_lane(target, all, 0);
    else if (size === 2) v128.store16_lane(target, all, 0);
    else v128.store8_lane(target, all, 0);
    target += stride;
  }
}
