/** `jitterPixels` of src/images/augment/noise.ts, eight bytes at a time; changes up to seven bytes after the end. */
export function jitter(data: usize, length: usize, amplitude: i32, key: i32, second: i32): void {
  const levels = i16x8.splat(<i16>(2 * amplitude + 1));
  let places = i32x4(0, 1, 2, 3);
  for (let i: usize = 0; i < length; i += 8) {
    let word = i32x4.add(i32x4.mul(places, i32x4.splat(0x9e3779b9)), i32x4.splat(key));
    word = i32x4.mul(v128.xor(word, i32x4.shr_u(word, 16)), i32x4.splat(0x21f0aaad));
    word = v128.xor(v128.xor(word, i32x4.shr_u(word, 15)), i32x4.splat(second));
    word = i32x4.mul(word, i32x4.splat(0x735a2d97));
    word = v128.xor(word, i32x4.shr_u(word, 15));
    // A word's lower half belongs to the earlier of two bytes, so it comes first.
    const low = i32x4.shr_u(i32x4.extmul_low_i16x8_u(word, levels), 16);
    const high = i32x4.shr_u(i32x4.extmul_high_i16x8_u(word, levels), 16);
    const change = i16x8.sub(i16x8.narrow_i32x4_s(low, high), i16x8.splat(<i16>amplitude));
    const changed = i16x8.add(v128.load8x8_u(data + i), change);
    v128.store64_lane(data + i, i8x16.narrow_i16x8_u(changed, changed), 0);
    places = i32x4.add(places, i32x4.splat(4));
  }
}
