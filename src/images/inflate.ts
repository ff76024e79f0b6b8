/**
 * Synchronous inflate (RFC 1951), which platforms only offer asynchronously, or not everywhere. Only for our own data
 * (wasm.ts): does not detect damage, and reads bit by bit, like Adler's `puff`.
 */

/** @param size size of the result */
export function inflateSound(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let at = 0;
  let place = 0;
  const bits = (count: number): number => {
    let value = 0;
    for (let i = 0; i < count; i++, place++) value |= ((bytes[place >> 3]! >> (place & 7)) & 1) << i;
    return value;
  };
  const symbol = ({ counts, symbols }: Code): number => {
    let [code, first, index] = [0, 0, 0];
    for (let length = 1; ; length++) {
      code |= bits(1);
      const count = counts[length]!;
      if (code - first < count) return symbols[index + code - first]!;
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
  };
  const dynamicCodes = (): readonly [Code, Code] => {
    const [literals, distances, lengths] = [257 + bits(5), 1 + bits(5), 4 + bits(4)];
    const own = new Uint8Array(19);
    for (const place of lengthOrder.slice(0, lengths)) own[place] = bits(3);
    const code = codeOf(own);
    const all: number[] = [];
    while (all.length < literals + distances) {
      const next = symbol(code);
      if (next < 16) all.push(next);
      else {
        const repeated = next === 16 ? all.at(-1)! : 0;
        const times = next === 16 ? 3 + bits(2) : next === 17 ? 3 + bits(3) : 11 + bits(7);
        for (let i = 0; i < times; i++) all.push(repeated);
      }
    }
    return [codeOf(all.slice(0, literals)), codeOf(all.slice(literals))];
  };
  for (let isLast = 0; isLast === 0; ) {
    isLast = bits(1);
    const kind = bits(2);
    if (kind === 0) {
      place = (place + 7) & ~7;
      const length = bits(16);
      bits(16);
      for (let i = 0; i < length; i++) out[at++] = bits(8);
      continue;
    }
    const [literals, distances] = kind === 1 ? fixedCodes() : dynamicCodes();
    for (let next = symbol(literals); next !== 256; next = symbol(literals)) {
      if (next < 256) {
        out[at++] = next;
        continue;
      }
      const length = next === 285 ? 258 : 3 + steps(next - 257, 4, bits);
      const back = 1 + steps(symbol(distances), 2, bits);
      for (let i = 0; i < length; i++, at++) out[at] = out[at - back]!;
    }
  }
  return out;
}

/** A canonical Huffman code: number of codes of each length, and symbols in order. */
interface Code {
  readonly counts: Uint16Array;
  readonly symbols: readonly number[];
}

function codeOf(lengths: ArrayLike<number>): Code {
  const counts = new Uint16Array(16);
  const used = Array.from(lengths, (length, symbol) => ({ length, symbol })).filter(({ length }) => length > 0);
  for (const { length } of used) counts[length]!++;
  return { counts, symbols: used.sort((a, b) => a.length - b.length).map(({ symbol }) => symbol) };
}

const lengthOrder: readonly number[] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

const fixedCodes = (): readonly [Code, Code] => [
  codeOf(Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8))),
  codeOf(Array<number>(30).fill(5)),
];

/**
 * Base and extra bits of a length or distance: `perBit` symbols for each number of extra bits, the first without any.
 */
function steps(symbol: number, perBit: 2 | 4, bits: (count: number) => number): number {
  const more = Math.max(0, Math.floor(symbol / perBit) - 1);
  return (more === 0 ? symbol : (perBit + (symbol % perBit)) << more) + bits(more);
}
