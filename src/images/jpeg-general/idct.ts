/**
 * The inverse DCT of libjpeg's `jidctint.c`: fixed point with 13 fractional bits (Loeffler, Ligtenberg, Moschytz 1989).
 */

const fractionBits = 13;
/** Extra fractional bits kept between columns and rows. */
const keptBits = 2;

const work = new Int32Array(64);

/**
 * @param at start of the block's 64 coefficients, row by row
 * @param to index of its first sample, in rows of `stride` samples
 */
export function inverseDct(
  coefficients: Int16Array,
  at: number,
  steps: Int16Array,
  samples: Uint8Array,
  to: number,
  stride: number,
): void {
  for (let x = 0; x < 8; x++) {
    const value = (row: number) => coefficients[at + 8 * row + x]! * steps[8 * row + x]!;
    eight(value(0), value(1), value(2), value(3), value(4), value(5), value(6), value(7));
    for (let y = 0; y < 8; y++) work[8 * y + x] = rounded(result[y]!, fractionBits - keptBits);
  }
  for (let y = 0; y < 8; y++) {
    const row = 8 * y;
    eight(
      ...([work[row]!, work[row + 1]!, work[row + 2]!, work[row + 3]!] as const),
      ...([work[row + 4]!, work[row + 5]!, work[row + 6]!, work[row + 7]!] as const),
    );
    for (let x = 0; x < 8; x++) {
      const sample = rounded(result[x]!, fractionBits + keptBits + 3) + 128;
      samples[to + y * stride + x] = sample < 0 ? 0 : sample > 255 ? 255 : sample;
    }
  }
}

const rounded = (value: number, bits: number): number => (value + (1 << (bits - 1))) >> bits;

const result = new Int32Array(8);

/** The one-dimensional transform of eight values, times 8192 √8. */
function eight(
  ...[a0, a1, a2, a3, a4, a5, a6, a7]: readonly [number, number, number, number, number, number, number, number]
): void {
  const turned = (a2 + a6) * 4433;
  const even2 = turned - a6 * 15137;
  const even3 = turned + a2 * 6270;
  const sum = (a0 + a4) << fractionBits;
  const difference = (a0 - a4) << fractionBits;
  const all = (a7 + a3 + a5 + a1) * 9633;
  const outer = (a7 + a1) * -7373;
  const inner = (a5 + a3) * -20995;
  const low = (a7 + a3) * -16069 + all;
  const high = (a5 + a1) * -3196 + all;
  const odd0 = a7 * 2446 + outer + low;
  const odd1 = a5 * 16819 + inner + high;
  const odd2 = a3 * 25172 + inner + low;
  const odd3 = a1 * 12299 + outer + high;
  result[0] = sum + even3 + odd3;
  result[7] = sum + even3 - odd3;
  result[1] = difference + even2 + odd2;
  result[6] = difference + even2 - odd2;
  result[2] = difference - even2 + odd1;
  result[5] = difference - even2 - odd1;
  result[3] = sum - even3 + odd0;
  result[4] = sum - even3 - odd0;
}
