/**
 * The entropy-coded bits of a baseline JPEG (ITU-T T.81, annexes B and F).
 *
 * The scan is first copied without stuffed zeros and markers, and with its bytes in reverse order: a little-endian load
 * of eight bytes then has the bits in the right order, without examining each byte.
 */

/** Bits covered by one table lookup. Longer codes, including their values, are rare. */
const LOOK = 11;
const ENTRIES: usize = 1 << LOOK;

// A table has a word for each combination of the next LOOK bits; then, for each code length, the largest code and the
// number that turns a code into the index of its symbol; then the symbols. Tables for AC coefficients also have pairs,
// so that one lookup usually finds two symbols.
const LARGEST: usize = 4 * ENTRIES;
const DELTA: usize = LARGEST + 4 * 17;
const SYMBOLS: usize = DELTA + 4 * 17;
const PAIRS: usize = SYMBOLS + 256 + 8;
const TABLE_BYTES: usize = PAIRS + 8 * ENTRIES;

// A word has three parts: the number of bits to drop, including those of the value, or 0 for a longer code; the number
// of coefficients to advance by; and the value. With INCOMPLETE, in place of the value: how many bits the value has,
// and how many precede it.
const INCOMPLETE: u32 = 0x80;
const ADVANCE_SHIFT = 8;
const VALUE_SHIFT = 16;
const LENGTH_SHIFT = 24;

// A pair has the word of the first symbol, but with the bits to drop for both, and above it for the second symbol: its
// value, its number of bits, and the number of coefficients to advance by. If the bits do not contain the second
// symbol, it repeats the first one's value and advances by 0. If they do not even contain the first, it is that
// symbol's word alone, or the word of a longer code.
const LONGER: u32 = INCOMPLETE;
const SECOND_VALUE_SHIFT = 32;
const SECOND_LENGTH_SHIFT = 48;
const SECOND_ADVANCE_SHIFT = 56;

/** Advances past the end of the block. */
const END_OF_BLOCK: u32 = 128;

/** Coefficients to advance by after a symbol (run and size). */
function advanceOf(symbol: u32): u32 {
  if ((symbol & 15) !== 0 || symbol === 0xf0) return (symbol >> 4) + 1;
  return END_OF_BLOCK;
}

/**
 * The signed value of `size` bits, which may be 0 (F.2.2.1, EXTEND). Without a branch, which could not be predicted.
 */
function extended(value: i32, size: i32): i32 {
  const isNegative = (value - (1 << (size - 1))) >> 31;
  return value - (isNegative & ((1 << size) - 1));
}

/** The word of a code that is so long that its value must be read from the bits after it. */
function incomplete(length: u32, symbol: u32): u32 {
  const size = symbol & 15;
  return (
    (length << LENGTH_SHIFT) |
    (size << VALUE_SHIFT) |
    (advanceOf(symbol) << ADVANCE_SHIFT) |
    INCOMPLETE |
    (length + size)
  );
}

/** The value for such a word, whose code starts at the highest bit of `buffer`. */
function valueBehind(word: u32, buffer: u64): i32 {
  const size = <i32>(word >> VALUE_SHIFT) & 0xff;
  const behind = buffer << (<u64>word >> LENGTH_SHIFT);
  return extended(<i32>((behind >> 1) >> <u64>(63 - size)), size);
}

const COUNTS_BYTES: usize = 16 + 256;
const tables = memory.data(8 * (12 * 2048 + 8 * 17 + 256 + 8), 16);
const countsOfTables = memory.data(8 * (16 + 256));

/**
 * Returns the table for Huffman codes. Most pictures of a data set use the same codes: an existing table is not built
 * again.
 * @param slot 0 to 3 for DC coefficients, 4 to 7 for AC coefficients
 * @param counts 16 bytes: the number of codes of each length; then their symbols, as in a DHT segment, padded with zeros
 * @returns the table's address; 0 if there are more codes than the lengths allow
 */
export function tableOf(slot: usize, counts: usize): usize {
  const table = tables + slot * TABLE_BYTES;
  const known = countsOfTables + slot * COUNTS_BYTES;
  if (memory.compare(known, counts, COUNTS_BYTES) === 0) return table;
  memory.fill(known, 0, COUNTS_BYTES);
  if (buildTable(counts, table, slot < 4) === 0) return 0;
  if (slot >= 4) buildPairs(table);
  memory.copy(known, counts, COUNTS_BYTES);
  return table;
}

/** The word for the upper `count` bits of a lookup, if they contain the whole symbol; otherwise 0. */
function wordWithin(table: usize, next: usize, count: i32): u32 {
  const found = load<u32>(table + 4 * (next & (ENTRIES - 1)));
  return (found & INCOMPLETE) === 0 && <i32>(found & 0x7f) <= count ? found : 0;
}

function buildPairs(table: usize): void {
  for (let next: usize = 0; next < ENTRIES; next++) {
    const first = load<u32>(table + 4 * next);
    let pair = <u64>(first === 0 ? LONGER : first);
    if ((pair & INCOMPLETE) === 0) {
      const length = first & 0x3f;
      const isLast = ((first >> ADVANCE_SHIFT) & 0xff) === END_OF_BLOCK;
      const second = isLast ? 0 : wordWithin(table, next << length, LOOK - <i32>length);
      const value = <u64>((second === 0 ? first : second) >> VALUE_SHIFT);
      pair += (second & 0x3f) | (value << SECOND_VALUE_SHIFT);
      pair |=
        ((<u64>(second & 0x3f)) << SECOND_LENGTH_SHIFT) | ((<u64>(second >> ADVANCE_SHIFT)) << SECOND_ADVANCE_SHIFT);
    }
    store<u64>(table + PAIRS + 8 * next, pair);
  }
}

/** @param isFirst for DC coefficients, whose words are all incomplete: checking which ones are would take longer */
function buildTable(counts: usize, table: usize, isFirst: bool): i32 {
  memory.fill(table, 0, SYMBOLS);
  memory.copy(table + SYMBOLS, counts + 16, 256);
  let code: i32 = 0;
  let place: i32 = 0;
  for (let length = 1; length <= 16; length++) {
    const count = <i32>load<u8>(counts + length - 1);
    store<i32>(table + DELTA + 4 * length, place - code);
    for (let i = 0; i < count; i++, code++, place++) {
      if (length > LOOK) continue;
      const symbol = <u32>load<u8>(table + SYMBOLS + place);
      const size = <i32>(symbol & 15);
      const advance = advanceOf(symbol) << ADVANCE_SHIFT;
      const rest = LOOK - length;
      if (code >= 1 << length) return 0;
      for (let low = 0; low < 1 << rest; low++) {
        let word: u32;
        if (isFirst) word = incomplete(length, symbol);
        else if (size === 0) word = advance | length;
        else if (size <= rest) {
          const value = extended(low >> (rest - size), size);
          word = ((<u32>value) << VALUE_SHIFT) | advance | (length + size);
        } else word = incomplete(length, symbol);
        store<u32>(table + 4 * <usize>((code << rest) | low), word);
      }
    }
    store<i32>(table + LARGEST + 4 * length, count === 0 ? -1 : code - 1);
    if (code > 1 << length) return 0;
    code <<= 1;
  }
  return 1;
}

/** The word for a code longer than LOOK; 0 if there is none. */
function longWord(table: usize, next16: i32): u32 {
  for (let length = LOOK + 1; length <= 16; length++) {
    const code = next16 >> (16 - length);
    if (code > load<i32>(table + LARGEST + 4 * length)) continue;
    const place = (code + load<i32>(table + DELTA + 4 * length)) & 255;
    const symbol = <u32>load<u8>(table + SYMBOLS + place);
    return incomplete(length, symbol);
  }
  return 0;
}

/**
 * Copies a scan's bytes below `top` in reverse order, the first at the highest address.
 * @param segments receives int32s: the number of bytes copied at the start of each restart interval, and at the end
 * @param most largest number of intervals
 * @returns the address of the marker after the scan; 0 if there is none, or the intervals are out of order
 */
export function unstuff(source: usize, end: usize, top: usize, segments: usize, most: i32): usize {
  let target = top;
  let count = 0;
  store<i32>(segments, 0);
  while (source < end) {
    const sixteen = v128.load(source);
    const marks = i8x16.bitmask(i8x16.eq(sixteen, i8x16.splat(-1)));
    v128.store(target - 16, i8x16.swizzle(sixteen, i8x16(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)));
    const plain: usize = marks === 0 ? 16 : <usize>ctz(marks);
    source += plain;
    target -= plain;
    if (marks === 0) continue;
    let mark = <u32>load<u8>(source + 1);
    // Any number of 0xff bytes may precede a marker.
    while (mark === 0xff && source < end) mark = <u32>load<u8>(++source + 1);
    if (mark === 0) {
      target--;
      store<u8>(target, 0xff);
    } else if (mark >= 0xd0 && mark <= 0xd7) {
      if ((count & 7) !== <i32>(mark & 7) || ++count >= most) return 0;
      store<i32>(segments + 4 * count, <i32>(top - target));
    } else {
      store<i32>(segments + 4 * (count + 1), <i32>(top - target));
      return count + 1 === most && source < end ? source : 0;
    }
    source += 2;
  }
  return 0;
}

/** The next bits, starting at the highest; how many are valid; and the address of the next eight bytes to load. */
let bits: u64 = 0;
let valid: i32 = 0;
let next: usize = 0;

/** Starts reading `position` bytes below `top`. */
export function seek(top: usize, position: i32): void {
  bits = 0;
  valid = 0;
  next = top - 8 - position;
}

/** Number of bytes below `top` that have been used, including a partly used one. */
export function used(top: usize): i32 {
  return <i32>(top - 8 - next) - (valid >> 3);
}

// The offset of each coefficient in its block, in bytes. Coefficients past the end of the block, of which a damaged
// file may have a symbol and an end, are written after it.
const zigzag = memory.data<u8>([
  0, 2, 16, 32, 18, 4, 6, 20, 34, 48, 64, 50, 36, 22, 8, 10, 24, 38, 52, 66, 80, 96, 82, 68, 54, 40, 26, 12, 14, 28, 42,
  56, 70, 84, 98, 112, 114, 100, 86, 72, 58, 44, 30, 46, 60, 74, 88, 102, 116, 118, 104, 90, 76, 62, 78, 92, 106, 120,
  122, 108, 94, 110, 124, 126, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
  128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
  128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
  128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
  128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
  128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
  128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
]);

/**
 * 64 int16s, and room for writes past their end. The compiler knows the address, which saves an addition at each
 * access.
 */
export const block = memory.data(2 * 64 + 16, 16);

/** Number of lookups for which one refill has enough bits. */
const LOOKS = 5;

/**
 * Decodes the next block into `block`, which must be zero except for the first coefficient: the difference of the first
 * coefficient from the previous block's, and all other coefficients.
 * @returns 0: all others are zero; 1: not all are; −1: an invalid code, or too many coefficients
 */
// @inline
export function decodeBlock(dc: usize, ac: usize): i32 {
  let buffer = bits;
  let left = valid;
  let from = next;
  buffer |= load<u64>(from) >> <u64>left;
  from -= (63 - left) >> 3;
  left |= 56;
  let word = load<u32>(dc + <usize>((buffer >> (64 - LOOK)) << 2));
  if (word === 0) word = longWord(dc, <i32>(buffer >> 48));
  if (word === 0) return -1;
  store<i16>(block, <i16>valueBehind(word, buffer));
  buffer <<= <u64>word & 0x3f;
  left -= <i32>word & 0x3f;
  let place: usize = 0;
  let look: u64 = 0;
  let pair: u64 = 0;
  do {
    buffer |= load<u64>(from) >> <u64>left;
    from -= (63 - left) >> 3;
    left |= 56;
    // In the lowest byte: the total number of dropped bits.
    let dropped = 0;
    for (let i = 0; i < LOOKS; i++) {
      look = buffer >> (64 - LOOK);
      pair = load<u64>(ac + <usize>(look << 3), PAIRS);
      if ((<u32>pair & INCOMPLETE) !== 0) break;
      buffer <<= pair & 0x3f;
      dropped += <i32>pair;
      place += <usize>(pair >> ADVANCE_SHIFT) & 0xff;
      store<i16>(<usize>load<u8>(place, zigzag), <i16>(pair >> VALUE_SHIFT), block);
      place += <usize>(pair >> SECOND_ADVANCE_SHIFT);
      store<i16>(<usize>load<u8>(place, zigzag), <i16>(pair >> SECOND_VALUE_SHIFT), block);
      if (place >= 63) break;
    }
    left -= dropped & 0xff;
    if ((<u32>pair & INCOMPLETE) !== 0) {
      buffer |= load<u64>(from) >> <u64>left;
      from -= (63 - left) >> 3;
      left |= 56;
      word = <u32>pair;
      if (word === LONGER) word = longWord(ac, <i32>(buffer >> 48));
      if (word === 0) return -1;
      place += <usize>((word >> ADVANCE_SHIFT) & 0xff);
      store<i16>(<usize>load<u8>(place, zigzag), <i16>valueBehind(word, buffer), block);
      buffer <<= <u64>word & 0x3f;
      left -= <i32>word & 0x3f;
    }
  } while (place < 63);
  const second = <usize>(pair >> SECOND_ADVANCE_SHIFT);
  const afterFirst = place - second;
  if (afterFirst - 63 < END_OF_BLOCK - 63 && second !== 0) {
    if (afterFirst > 63) return -1;
    // The first symbol was the block's last; the second belongs to the next block.
    const length = (pair >> SECOND_LENGTH_SHIFT) & 0x3f;
    buffer = (buffer >> length) | (look << (64 - LOOK + (pair & 0x3f) - length));
    left += <i32>length;
    place = 63;
  }
  bits = buffer;
  valid = left;
  next = from;
  if (place === <usize>END_OF_BLOCK) return 0;
  return place === 63 || place >= <usize>END_OF_BLOCK ? 1 : -1;
}
