/**
 * Random numbers that are a pure function of a few integers, the same on every machine and engine.
 *
 * The generator is counter-based: Threefry-2x32 with 20 rounds (Salmon et al., "Parallel Random Numbers: As Easy as
 * 1, 2, 3", SC 2011), which JAX uses too. `createRandom(seed, epoch, index)` is independent of every other sequence of
 * keys. So augmentation does not depend on which worker draws first, and a resumed run draws the same numbers.
 */

import { SenetError } from "./errors.ts";

export interface Random {
  /** In [0, 1), 53 random bits. */
  uniform(): number;
  /** An integer in [0, n), each equally likely; n is an integer from 1 to 2^32. */
  below(n: number): number;
  /** Mean 0, standard deviation 1. */
  normal(): number;
  /** The integers 0 … n−1 in random order. */
  shuffled(n: number): Uint32Array<ArrayBuffer>;
}

/**
 * A generator for this sequence of keys; any other sequence, of whatever length, gives unrelated numbers.
 * @param keys integers from 0 to 2^53 − 1
 */
export function createRandom(...keys: number[]): Random {
  return new ThreefryRandom(keys);
}

const two32 = 2 ** 32;

/** Set in the second word of the stream's counters. Keys have 53 bits, so theirs never have it: the two cannot collide. */
const streamBit = 0x80000000;

/** Threefry-2x32-20: encrypts the counter `(x0, x1)` under the key `(k0, k1)` into `out`. */
export function threefry(k0: number, k1: number, x0: number, x1: number, out: Uint32Array): void {
  const k2 = 0x1bd11bda ^ k0 ^ k1;
  let a = (x0 + k0) | 0;
  let b = (x1 + k1) | 0;
  // Five times four rounds and a key injection; unrolled, since this is the hot loop of weight initialisation.
  a = (a + b) | 0;
  b = ((b << 13) | (b >>> 19)) ^ a;
  a = (a + b) | 0;
  b = ((b << 15) | (b >>> 17)) ^ a;
  a = (a + b) | 0;
  b = ((b << 26) | (b >>> 6)) ^ a;
  a = (a + b) | 0;
  b = ((b << 6) | (b >>> 26)) ^ a;
  a = (a + k1) | 0;
  b = (b + k2 + 1) | 0;
  a = (a + b) | 0;
  b = ((b << 17) | (b >>> 15)) ^ a;
  a = (a + b) | 0;
  b = ((b << 29) | (b >>> 3)) ^ a;
  a = (a + b) | 0;
  b = ((b << 16) | (b >>> 16)) ^ a;
  a = (a + b) | 0;
  b = ((b << 24) | (b >>> 8)) ^ a;
  a = (a + k2) | 0;
  b = (b + k0 + 2) | 0;
  a = (a + b) | 0;
  b = ((b << 13) | (b >>> 19)) ^ a;
  a = (a + b) | 0;
  b = ((b << 15) | (b >>> 17)) ^ a;
  a = (a + b) | 0;
  b = ((b << 26) | (b >>> 6)) ^ a;
  a = (a + b) | 0;
  b = ((b << 6) | (b >>> 26)) ^ a;
  a = (a + k0) | 0;
  b = (b + k1 + 3) | 0;
  a = (a + b) | 0;
  b = ((b << 17) | (b >>> 15)) ^ a;
  a = (a + b) | 0;
  b = ((b << 29) | (b >>> 3)) ^ a;
  a = (a + b) | 0;
  b = ((b << 16) | (b >>> 16)) ^ a;
  a = (a + b) | 0;
  b = ((b << 24) | (b >>> 8)) ^ a;
  a = (a + k1) | 0;
  b = (b + k2 + 4) | 0;
  a = (a + b) | 0;
  b = ((b << 13) | (b >>> 19)) ^ a;
  a = (a + b) | 0;
  b = ((b << 15) | (b >>> 17)) ^ a;
  a = (a + b) | 0;
  b = ((b << 26) | (b >>> 6)) ^ a;
  a = (a + b) | 0;
  b = ((b << 6) | (b >>> 26)) ^ a;
  a = (a + k2) | 0;
  b = (b + k0 + 5) | 0;
  out[0] = a;
  out[1] = b;
}

class ThreefryRandom implements Random {
  readonly #key0: number;
  readonly #key1: number;
  readonly #block = new Uint32Array(2);
  /** Blocks drawn so far, below 2^53. */
  #counter = 0;
  /** The second word of the last block if `below` has used only the first, or -1. */
  #spareWord = -1;
  #spareNormal: number | undefined;

  constructor(keys: readonly number[]) {
    const block = this.#block;
    for (const key of keys) {
      if (!Number.isSafeInteger(key) || key < 0) {
        throw new SenetError("usage", "a random seed or key is unusable", {
          expected: "an integer from 0 to 2^53 − 1",
          found: `${key}`,
        });
      }
      threefry(block[0]!, block[1]!, key % two32, Math.floor(key / two32), block);
    }
    this.#key0 = block[0]!;
    this.#key1 = block[1]!;
  }

  #next(): void {
    const n = this.#counter++;
    threefry(this.#key0, this.#key1, n % two32, streamBit | Math.floor(n / two32), this.#block);
  }

  #word(): number {
    if (this.#spareWord >= 0) {
      const word = this.#spareWord;
      this.#spareWord = -1;
      return word;
    }
    this.#next();
    this.#spareWord = this.#block[1]!;
    return this.#block[0]!;
  }

  uniform(): number {
    this.#next();
    return ((this.#block[0]! >>> 5) * 0x4000000 + (this.#block[1]! >>> 6)) / 2 ** 53;
  }

  below(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > two32) throw new RangeError(`below(${n}): 1 to 2^32 wanted`);
    // Words beyond the last multiple of n would make small numbers likelier; draw again.
    const limit = two32 - (two32 % n);
    let word = this.#word();
    while (word >= limit) word = this.#word();
    return word % n;
  }

  /** Marsaglia's polar method, on 32-bit coordinates: fine enough for weights in float32. */
  normal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    for (;;) {
      this.#next();
      const u = (this.#block[0]! + 0.5) / 2 ** 31 - 1;
      const v = (this.#block[1]! + 0.5) / 2 ** 31 - 1;
      const s = u * u + v * v;
      if (s >= 1) continue;
      const factor = Math.sqrt((-2 * logarithm(s)) / s);
      this.#spareNormal = v * factor;
      return u * factor;
    }
  }

  shuffled(n: number): Uint32Array<ArrayBuffer> {
    const order = new Uint32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const swapped = order[i]!;
      order[i] = order[j]!;
      order[j] = swapped;
    }
    return order;
  }
}

const realView = new Float64Array(1);
const wordView = new Uint32Array(realView.buffer);
/** Index of the word that holds the exponent; depends on the byte order. */
const highWord = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0;

/**
 * The natural logarithm of a positive, normal number. `Math.log` may differ between engines in the last bit, and then so
 * would initial weights and runs; this uses only correctly rounded operations (error below 1e-15).
 */
export function logarithm(x: number): number {
  realView[0] = x;
  const high = wordView[highWord]!;
  let exponent = (high >>> 20) - 1023;
  wordView[highWord] = (high & 0xfffff) | 0x3ff00000;
  let mantissa = realView[0];
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent++;
  }
  // log m = 2 artanh z for z = (m − 1)/(m + 1); |z| ≤ 0.172, so eleven terms reach double precision.
  const z = (mantissa - 1) / (mantissa + 1);
  const square = z * z;
  let sum = (1 / 21) * square + 1 / 19;
  sum = sum * square + 1 / 17;
  sum = sum * square + 1 / 15;
  sum = sum * square + 1 / 13;
  sum = sum * square + 1 / 11;
  sum = sum * square + 1 / 9;
  sum = sum * square + 1 / 7;
  sum = sum * square + 1 / 5;
  sum = sum * square + 1 / 3;
  sum = sum * square + 1;
  return exponent * Math.LN2 + 2 * z * sum;
}
