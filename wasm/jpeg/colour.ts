/** From planes to pixels: libjpeg's "fancy" upsampling (`jdsample.c`) and its conversion from YCbCr (`jdcolor.c`). */

function widened(source: usize): v128 {
  return v128.load8x8_u(source);
}

/** Stores sixteen samples, `even` and `odd` alternating. */
function storeBoth(target: usize, even: v128, odd: v128): void {
  const bytes = v128.or(even, i16x8.shl(odd, 8));
  v128.store(target, bytes);
}

/**
 * Doubles the number of samples in a row: each output is 3/4 of the nearer and 1/4 of the farther sample. There must be
 * a sample before the first one and one after the last. Writes up to 15 extra samples.
 */
export function upsampleRow(source: usize, count: i32, target: usize): void {
  for (let i: usize = 0; i < <usize>count; i += 8) {
    const near = i16x8.mul(widened(source + i), i16x8.splat(3));
    const even = i16x8.add(i16x8.add(near, widened(source + i - 1)), i16x8.splat(1));
    const odd = i16x8.add(i16x8.add(near, widened(source + i + 1)), i16x8.splat(2));
    storeBoth(target + 2 * i, i16x8.shr_u(even, 2), i16x8.shr_u(odd, 2));
  }
}

function column(near: usize, far: usize): v128 {
  return i16x8.add(i16x8.mul(widened(near), i16x8.splat(3)), widened(far));
}

/** Like `upsampleRow`, but also between rows: 3/4 of the nearer and 1/4 of the farther row. */
export function upsampleRows(near: usize, far: usize, count: i32, target: usize): void {
  for (let i: usize = 0; i < <usize>count; i += 8) {
    const middle = i16x8.mul(column(near + i, far + i), i16x8.splat(3));
    const even = i16x8.add(i16x8.add(middle, column(near + i - 1, far + i - 1)), i16x8.splat(8));
    const odd = i16x8.add(i16x8.add(middle, column(near + i + 1, far + i + 1)), i16x8.splat(7));
    storeBoth(target + 2 * i, i16x8.shr_u(even, 4), i16x8.shr_u(odd, 4));
  }
}

/**
 * `factor · x / 2^15`, rounded. libjpeg uses 16 bits, but the last one makes no difference for any of the 256 values.
 */
function part(x: v128, factor: i16): v128 {
  return i16x8.q15mulr_sat_s(x, i16x8.splat(factor));
}

/** `(18734 · red − 22554 · blue + 1/2) / 2^16`. */
function greenPart(blue: v128, red: v128): v128 {
  const half = i32x4.splat(0x8000);
  const factors = i32x4.splat((-22554 & 0xffff) | (18734 << 16));
  const low = v128.shuffle<u16>(blue, red, 0, 8, 1, 9, 2, 10, 3, 11);
  const high = v128.shuffle<u16>(blue, red, 4, 12, 5, 13, 6, 14, 7, 15);
  return i16x8.narrow_i32x4_s(
    i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(low, factors), half), 16),
    i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(high, factors), half), 16),
  );
}

function store48(target: usize, r: v128, g: v128, b: v128): void {
  const first = v128.shuffle<u8>(r, g, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const middle = v128.shuffle<u8>(r, g, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27);
  const last = v128.shuffle<u8>(r, g, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  v128.store(target, v128.shuffle<u8>(first, b, 0, 1, 16, 2, 3, 17, 4, 5, 18, 6, 7, 19, 8, 9, 20, 10));
  v128.store(target, v128.shuffle<u8>(middle, b, 3, 21, 4, 5, 22, 6, 7, 23, 8, 9, 24, 10, 11, 25, 12, 13), 16);
  v128.store(target, v128.shuffle<u8>(last, b, 26, 6, 7, 27, 8, 9, 28, 10, 11, 29, 12, 13, 30, 14, 15, 31), 32);
}

/** Converts a row to pixels `rgbrgb...`. Writes up to 15 extra pixels. */
export function colourRow(luma: usize, blue: usize, red: usize, count: i32, target: usize): void {
  const middle = i16x8.splat(128);
  for (let i: usize = 0; i < <usize>count; i += 16) {
    const y0 = widened(luma + i);
    const cb0 = i16x8.sub(widened(blue + i), middle);
    const cr0 = i16x8.sub(widened(red + i), middle);
    const y1 = widened(luma + i + 8);
    const cb1 = i16x8.sub(widened(blue + i + 8), middle);
    const cr1 = i16x8.sub(widened(red + i + 8), middle);
    // Factors that exceed 16 bits have two parts: 1.402 = 1 + 0.402, 1.772 = 2 − 0.228, −0.714 = −1 + 0.286.
    const r0 = i16x8.add(i16x8.add(y0, cr0), part(cr0, 13173));
    const r1 = i16x8.add(i16x8.add(y1, cr1), part(cr1, 13173));
    const g0 = i16x8.add(i16x8.sub(y0, cr0), greenPart(cb0, cr0));
    const g1 = i16x8.add(i16x8.sub(y1, cr1), greenPart(cb1, cr1));
    const b0 = i16x8.add(i16x8.add(y0, i16x8.shl(cb0, 1)), part(cb0, -7471));
    const b1 = i16x8.add(i16x8.add(y1, i16x8.shl(cb1, 1)), part(cb1, -7471));
    store48(target + 3 * i, i8x16.narrow_i16x8_u(r0, r1), i8x16.narrow_i16x8_u(g0, g1), i8x16.narrow_i16x8_u(b0, b1));
  }
}

/** Like `colourRow`, for grey pictures. */
export function greyRow(luma: usize, count: i32, target: usize): void {
  for (let i: usize = 0; i < <usize>count; i += 16) {
    const sixteen = v128.load(luma + i);
    store48(target + 3 * i, sixteen, sixteen, sixteen);
  }
}
