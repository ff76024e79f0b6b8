/** Entropy decoding of lossless WebP (RFC 9649, section 5): prefix codes, back-references and the colour cache. */

import { PictureFault } from "./fault.ts";

/** Reads bits, lowest first. */
export class Bits {
  readonly #bytes: Uint8Array;
  /** Index of the next bit. */
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(count: number): number {
    const value = this.peek(count);
    this.skip(count);
    return value;
  }

  /** The next `count` bits, at most 24; zeros after the end. */
  peek(count: number): number {
    const byte = this.#at >>> 3;
    const bytes = this.#bytes;
    const four =
      (bytes[byte] ?? 0) |
      ((bytes[byte + 1] ?? 0) << 8) |
      ((bytes[byte + 2] ?? 0) << 16) |
      ((bytes[byte + 3] ?? 0) << 24);
    return (four >>> (this.#at & 7)) & ((1 << count) - 1);
  }

  skip(count: number): void {
    this.#at += count;
    if (this.#at > 8 * this.#bytes.length) throw new PictureFault("the file ends within the picture");
  }
}

/** Bits looked up at once. */
const quickBits = 8;

/** A prefix code. */
class PrefixCode {
  /**
   * Indexed by the next bits: a symbol and, in the lowest four bits, the length of its code; 0 if the code is longer.
   */
  readonly #quick: Uint16Array;
  readonly #bits: number;
  /** Number of codes of each length, and all symbols in order of their codes. */
  readonly #counts = new Uint16Array(16);
  readonly #symbols: Uint16Array;

  /** @param lengths length of each symbol's code; 0 if it has none */
  constructor(lengths: Uint8Array) {
    for (const length of lengths) if (length > 0) this.#counts[length]!++;
    const used = this.#counts.reduce((sum, count) => sum + count, 0);
    if (used === 0) throw new PictureFault("a prefix code of it has no symbol");
    this.#symbols = new Uint16Array(used);
    const longest = this.#counts.findLastIndex((count) => count > 0);
    // A single symbol takes no bits.
    this.#bits = used === 1 ? 0 : Math.min(quickBits, longest);
    this.#quick = new Uint16Array(1 << this.#bits);
    let [place, code, left] = [0, 0, 1];
    for (let length = 1; length <= longest; length++) {
      [code, left] = [2 * code, 2 * left - this.#counts[length]!];
      for (let symbol = 0; symbol < lengths.length; symbol++) {
        if (lengths[symbol] !== length) continue;
        this.#symbols[place++] = symbol;
        // A code's first bit is its highest.
        for (let at = reversed(code, length); length <= this.#bits && at < this.#quick.length; at += 1 << length) {
          this.#quick[at] = (symbol << 4) | length;
        }
        code++;
      }
    }
    if (used > 1 && left !== 0) throw new PictureFault("a prefix code of it is none");
  }

  read(bits: Bits): number {
    if (this.#bits === 0) return this.#symbols[0]!;
    const entry = this.#quick[bits.peek(this.#bits)]!;
    if (entry !== 0) {
      bits.skip(entry & 15);
      return entry >>> 4;
    }
    // Codes of each length are consecutive, followed by longer ones.
    const next = bits.peek(15);
    for (let length = 1, code = 0, first = 0, place = 0; ; length++) {
      code |= (next >>> (length - 1)) & 1;
      const count = this.#counts[length]!;
      if (code - first < count) {
        bits.skip(length);
        return this.#symbols[place + code - first]!;
      }
      place += count;
      first = 2 * (first + count);
      code *= 2;
    }
  }
}

function reversed(code: number, length: number): number {
  let result = 0;
  for (let i = 0; i < length; i++) result |= ((code >>> i) & 1) << (length - 1 - i);
  return result;
}

const lengthOrder = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

function prefixCode(bits: Bits, symbols: number): PrefixCode {
  const lengths = new Uint8Array(symbols);
  const put = (symbol: number, length: number) => {
    if (symbol >= symbols) throw new PictureFault("a prefix code of it has a symbol too many");
    lengths[symbol] = length;
  };
  if (bits.read(1) === 1) {
    const count = 1 + bits.read(1);
    put(bits.read(bits.read(1) === 1 ? 8 : 1), 1);
    if (count === 2) put(bits.read(8), 1);
    return new PrefixCode(lengths);
  }
  const ofLengths = new Uint8Array(19);
  const count = 4 + bits.read(4);
  for (let i = 0; i < count; i++) ofLengths[lengthOrder[i]!] = bits.read(3);
  const code = new PrefixCode(ofLengths);
  let left = bits.read(1) === 1 ? 2 + bits.read(2 + 2 * bits.read(3)) : symbols;
  if (left > symbols) throw new PictureFault("a prefix code of it has a symbol too many");
  let before = 8;
  for (let symbol = 0; symbol < symbols && left > 0; left--) {
    const length = code.read(bits);
    if (length < 16) {
      lengths[symbol++] = length;
      if (length > 0) before = length;
      continue;
    }
    const [value, least, extra] = length === 16 ? [before, 3, 2] : length === 17 ? [0, 3, 3] : [0, 11, 7];
    const end = symbol + least + bits.read(extra);
    if (end > symbols) throw new PictureFault("a prefix code of it has a symbol too many");
    lengths.fill(value, symbol, end);
    symbol = end;
  }
  return new PrefixCode(lengths);
}

interface Codes {
  /** Also encodes lengths of back-references, and colours of the cache. */
  readonly green: PrefixCode;
  readonly red: PrefixCode;
  readonly blue: PrefixCode;
  readonly alpha: PrefixCode;
  readonly distance: PrefixCode;
}

/** Decodes the picture itself, which may have several groups of codes, or an auxiliary picture. */
export function image(bits: Bits, width: number, height: number, isPicture: boolean): Uint32Array {
  const cacheBits = bits.read(1) === 1 ? bits.read(4) : 0;
  if (cacheBits > 11) throw new PictureFault("its cache of colours is too large");
  const cache = cacheBits > 0 ? new Uint32Array(1 << cacheBits) : undefined;
  // Each block of the picture has a group of codes. By default there is one group: no side is longer than 2^14.
  let [blockBits, groupOf] = [14, new Uint32Array(1)];
  if (isPicture && bits.read(1) === 1) {
    blockBits = 2 + bits.read(3);
    const blocks = image(bits, divided(width, blockBits), divided(height, blockBits), false);
    groupOf = blocks.map((argb) => (argb >>> 8) & 0xffff);
  }
  const used = new Set(groupOf);
  const most = groupOf.reduce((most, group) => Math.max(most, group), 0);
  const groups: (Codes | undefined)[] = [];
  // Unused groups are stored, too.
  for (let group = 0; group <= most; group++) {
    const read = (symbols: number) => prefixCode(bits, symbols);
    const green = read(256 + 24 + (cache?.length ?? 0));
    const [red, blue, alpha, distance] = [read(256), read(256), read(256), read(40)];
    groups.push(used.has(group) ? { green, red, blue, alpha, distance } : undefined);
  }

  const argb = new Uint32Array(width * height);
  const across = divided(width, blockBits);
  const remember = (pixel: number) => {
    if (cache !== undefined) cache[Math.imul(0x1e35a7bd, pixel) >>> (32 - cacheBits)] = pixel;
  };
  for (let at = 0; at < argb.length; ) {
    const block = (Math.floor(at / width) >>> blockBits) * across + ((at % width) >>> blockBits);
    const { green, red, blue, alpha, distance } = groups[groupOf[block]!]!;
    const symbol = green.read(bits);
    if (symbol < 256) {
      const [r, b, a] = [red.read(bits), blue.read(bits), alpha.read(bits)];
      argb[at] = (a << 24) | (r << 16) | (symbol << 8) | b;
      remember(argb[at++]!);
    } else if (symbol < 256 + 24) {
      const length = prefixed(bits, symbol - 256);
      const back = distanceOf(prefixed(bits, distance.read(bits)), width);
      if (back > at || at + length > argb.length) throw new PictureFault("it repeats what is not there");
      for (const end = at + length; at < end; at++) {
        argb[at] = argb[at - back]!;
        remember(argb[at]!);
      }
    } else {
      argb[at] = cache![symbol - 256 - 24]!;
      remember(argb[at++]!);
    }
  }
  return argb;
}

export const divided = (size: number, bits: number): number => (size + (1 << bits) - 1) >>> bits;

/** A length or distance: a symbol for its magnitude, and extra bits. */
function prefixed(bits: Bits, symbol: number): number {
  if (symbol < 4) return symbol + 1;
  const extra = (symbol - 2) >> 1;
  return ((2 + (symbol & 1)) << extra) + bits.read(extra) + 1;
}

/** Neighbours by distance: `y` rows above and `8 - x` to the right, as nibbles yx. */
const near = [
  0x18, 0x07, 0x17, 0x19, 0x28, 0x06, 0x27, 0x29, 0x16, 0x1a, 0x26, 0x2a, 0x38, 0x05, 0x37, 0x39, 0x15, 0x1b, 0x36,
  0x3a, 0x25, 0x2b, 0x48, 0x04, 0x47, 0x49, 0x14, 0x1c, 0x35, 0x3b, 0x46, 0x4a, 0x24, 0x2c, 0x58, 0x45, 0x4b, 0x34,
  0x3c, 0x03, 0x57, 0x59, 0x13, 0x1d, 0x56, 0x5a, 0x23, 0x2d, 0x44, 0x4c, 0x55, 0x5b, 0x33, 0x3d, 0x68, 0x02, 0x67,
  0x69, 0x12, 0x1e, 0x66, 0x6a, 0x22, 0x2e, 0x54, 0x5c, 0x43, 0x4d, 0x65, 0x6b, 0x32, 0x3e, 0x78, 0x01, 0x77, 0x79,
  0x53, 0x5d, 0x11, 0x1f, 0x64, 0x6c, 0x42, 0x4e, 0x76, 0x7a, 0x21, 0x2f, 0x75, 0x7b, 0x31, 0x3f, 0x63, 0x6d, 0x52,
  0x5e, 0x00, 0x74, 0x7c, 0x41, 0x4f, 0x10, 0x20, 0x62, 0x6e, 0x30, 0x73, 0x7d, 0x51, 0x5f, 0x40, 0x72, 0x7e, 0x61,
  0x6f, 0x50, 0x71, 0x7f, 0x60, 0x70,
];

function distanceOf(code: number, width: number): number {
  if (code > near.length) return code - near.length;
  const place = near[code - 1]!;
  return Math.max(1, (place >> 4) * width + 8 - (place & 15));
}
