/** Reads bits and Huffman codes of a JPEG scan (ITU-T T.81, F.2.2). */

/** Codes of up to this many bits are looked up in a table; longer ones are rare. */
const fastBits = 9;

export interface HuffmanTable {
  /** Indexed by the next 9 bits: length × 256 + symbol; 0 if the code is longer. */
  readonly fast: Uint16Array;
  /** By length: the largest code, -1 if there is none, and the offset from codes to symbols. */
  readonly largest: Int32Array;
  readonly offset: Int32Array;
  readonly symbols: Uint8Array;
}

/**
 * Builds a table; `undefined` if there are too many codes of a length. @param segment counts of 16 lengths, followed by
 * the symbols
 */
export function huffmanTable(segment: Uint8Array): HuffmanTable | undefined {
  const symbols = segment.subarray(16);
  const fast = new Uint16Array(1 << fastBits);
  const largest = new Int32Array(18).fill(-1);
  const offset = new Int32Array(18);
  let code = 0;
  let index = 0;
  for (let length = 1; length <= 16; length++, code <<= 1) {
    const count = segment[length - 1]!;
    if (count === 0) continue;
    if (code + count > 1 << length) return undefined;
    offset[length] = index - code;
    for (let i = 0; i < count; i++, code++, index++) {
      if (length > fastBits) continue;
      const from = code << (fastBits - length);
      fast.fill((length << 8) | symbols[index]!, from, from + (1 << (fastBits - length)));
    }
    largest[length] = code - 1;
  }
  return { fast, largest, offset, symbols };
}

/** A bit reader; after the last bit before a marker it gives zeros. */
export class Bits {
  readonly #bytes: Uint8Array;
  /** Index of the next byte; stops at a marker. */
  #at: number;
  #buffer = 0;
  #count = 0;
  /** Of these, zeros that the file does not have. */
  #zeros = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Whether more was taken than there is up to the next marker. */
  get isSpent(): boolean {
    return this.#count < this.#zeros;
  }

  /**
   * Passes over the rest up to the marker of a restart. Where it is another one, of a damaged file, as libjpeg does
   * (`jpeg_resync_to_restart`): one of the next two is waited for, one of the two before is passed over, and any other is
   * taken for the one that was expected.
   * @param expected its number, 0 to 7
   */
  restart(expected: number): void {
    for (let at = this.#markerFrom(this.#at); ; at = this.#markerFrom(at + 2)) {
      const number = (this.#bytes[at + 1] ?? 0xd9) - 0xd0;
      const ahead = (number - expected) & 7;
      const isRestart = number >= 0 && number <= 7;
      // Not a marker that JPEG knows, or a restart that is over.
      if (number < 0xc0 - 0xd0 || (isRestart && ahead >= 6)) continue;
      const isEarly = !isRestart || ahead === 1 || ahead === 2;
      this.#at = isEarly ? at : at + 2;
      this.#zeros = isEarly && this.isSpent ? 1 : 0;
      this.#count = 0;
      return;
    }
  }

  /** Index of the marker after the scan, or the end of the file. */
  end(): number {
    for (let at = this.#markerFrom(this.#at); ; at = this.#markerFrom(at + 2)) {
      const marker = this.#bytes[at + 1];
      if (marker === undefined || marker < 0xd0 || marker > 0xd7) return at;
    }
  }

  /** The next marker's last 0xff, or the end of the file. */
  #markerFrom(from: number): number {
    for (let at = from; at + 1 < this.#bytes.length; at++) {
      if (this.#bytes[at] === 0xff && this.#bytes[at + 1] !== 0 && this.#bytes[at + 1] !== 0xff) return at;
    }
    return this.#bytes.length;
  }

  #fill(): void {
    for (; this.#count <= 24; this.#count += 8) {
      this.#buffer <<= 8;
      const byte = this.#bytes[this.#at];
      let next = this.#at + 1;
      if (byte === 0xff) while (this.#bytes[next] === 0xff) next++;
      const isStuffed = byte === 0xff && this.#bytes[next] === 0;
      if (byte === undefined || (byte === 0xff && !isStuffed)) {
        this.#zeros += 8;
        continue;
      }
      this.#buffer |= byte;
      this.#at = isStuffed ? next + 1 : next;
    }
  }

  /** The next up to 16 bits as a number. */
  take(count: number): number {
    if (count === 0) return 0;
    if (this.#count < count) this.#fill();
    const value = (this.#buffer >>> (this.#count - count)) & ((1 << count) - 1);
    this.#count -= count;
    return value;
  }

  /** A signed number of `count` bits, negative if below half (T.81, F.12). */
  signed(count: number): number {
    const value = this.take(count);
    return count > 0 && value < 1 << (count - 1) ? value - (1 << count) + 1 : value;
  }

  /** Unknown codes give 0, as in libjpeg, so that damage stays small. */
  symbol({ fast, largest, offset, symbols }: HuffmanTable): number {
    if (this.#count < 17) this.#fill();
    const next = (this.#buffer >>> (this.#count - 16)) & 0xffff;
    const found = fast[next >> (16 - fastBits)]!;
    if (found !== 0) {
      this.#count -= found >> 8;
      return found & 255;
    }
    for (let length = fastBits + 1; length <= 16; length++) {
      const code = next >> (16 - length);
      if (code <= largest[length]!) {
        this.#count -= length;
        return symbols[code + offset[length]!]!;
      }
    }
    this.#count -= 17;
    return 0;
  }
}
