/**
 * Reads LevelDB tables, which TensorFlow uses for the index of a checkpoint: sorted entries in blocks, and an index of
 * the blocks.
 */

import { crc32c, maskedCrc } from "../crc32c.ts";
import { type FailWhole, shownName } from "./bytes.ts";
import { unsnappy } from "./snappy.ts";

export interface Entry {
  readonly key: string;
  readonly value: {
    readonly bytes: Uint8Array;
    /** Position in its block, for errors. */
    readonly offset: number;
  };
}

/** Two handles and a magic number. */
const footerBytes = 48;
const mark = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
/** After each block: its compression, and its checksum. */
const trailerBytes = 5;

export const isTable = (bytes: Uint8Array): boolean =>
  bytes.length >= mark.length && mark.every((byte, i) => bytes[bytes.length - mark.length + i] === byte);

/**
 * All entries in order.
 * @throws through `fail` where a block is damaged or its checksum is wrong
 */
export function readTable(bytes: Uint8Array, fail: FailWhole): Entry[] {
  if (!isTable(bytes) || bytes.length < footerBytes) {
    return fail("this is not a LevelDB table", {
      expected: `its mark at the end of a footer of ${footerBytes} bytes`,
      found: `${bytes.length} bytes`,
    });
  }
  const footer = new Varints(bytes.subarray(bytes.length - footerBytes, bytes.length - mark.length), fail);
  // Handles of the meta index, which TensorFlow leaves empty, and of the index.
  footer.handle();
  const index = footer.handle();
  const left = { blocks: 33 * bytes.length + 1024, keys: 64 * bytes.length + 2 ** 16 };
  const entries: Entry[] = [];
  let end = 0;
  for (const { value } of blockAt(bytes, index, left, fail)) {
    const handle = new Varints(value.bytes, fail).handle();
    // So that a small file cannot use one block many times.
    if (handle.offset < end) {
      fail("the table's blocks are not in their order", {
        expected: `${end} or more`,
        found: `one at ${handle.offset}`,
      });
    }
    end = handle.offset + handle.size;
    for (const entry of blockAt(bytes, handle, left, fail)) {
      const last = entries.at(-1);
      if (last !== undefined && last.key === entry.key) {
        fail("the table has a key twice", { expected: "each key once", found: `${shownName(entry.key)} again` });
      }
      entries.push(entry);
    }
  }
  return entries;
}

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** Remaining allowances, so that a small file cannot create a large result. */
interface Left {
  blocks: number;
  keys: number;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function blockAt(bytes: Uint8Array, { offset, size }: Handle, left: Left, fail: FailWhole): Entry[] {
  if (offset > bytes.length || size > bytes.length - offset - trailerBytes) {
    fail("a block of the table is not in the file", {
      expected: `${size} bytes from ${offset}, and ${trailerBytes}`,
      found: `${bytes.length} bytes in all`,
    });
  }
  const end = offset + size;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = bytes[end]!;
  if (kind > 1)
    fail("a block of the table is compressed in an unknown way", { expected: "none or Snappy", found: `${kind}` });
  const [said, is] = [view.getUint32(end + 1, true), maskedCrc(crc32c(bytes.subarray(offset, end + 1)))];
  if (said !== is) {
    fail("a block of the table is damaged: its checksum is another", {
      expected: said.toString(16).padStart(8, "0"),
      found: is.toString(16).padStart(8, "0"),
    });
  }
  const stored = bytes.subarray(offset, end);
  const block = kind === 0 ? stored : unsnappy(stored, fail);
  if (block.length > left.blocks) {
    fail("the table unpacks to more than its file can hold", {
      expected: `at most ${left.blocks} bytes more`,
      found: `${block.length}`,
    });
  }
  left.blocks -= block.length;
  return entriesIn(block, left, fail);
}

/** Each key shares a prefix with the one before it; the restarts at the end are for searching. */
function entriesIn(block: Uint8Array, left: Left, fail: FailWhole): Entry[] {
  if (block.length < 4) {
    fail("a block of the table is too short", { expected: "4 bytes or more", found: `${block.length}` });
  }
  const restarts = new DataView(block.buffer, block.byteOffset, block.byteLength).getUint32(block.length - 4, true);
  const end = block.length - 4 - 4 * restarts;
  if (end < 0) {
    fail("a block of the table is damaged: its restarts", {
      expected: `at most ${Math.floor((block.length - 4) / 4)}`,
      found: `${restarts}`,
    });
  }
  const reader = new Varints(block.subarray(0, end), fail);
  const entries: Entry[] = [];
  let key: Uint8Array = new Uint8Array();
  while (!reader.isAtEnd) {
    const shared = reader.next();
    const unshared = reader.next();
    const length = reader.next();
    if (shared > key.length) {
      fail("a block of the table is damaged: a key", {
        expected: `at most ${key.length} bytes of the one before`,
        found: `${shared}`,
      });
    }
    if (shared + unshared > left.keys) {
      fail("the table has longer keys than its file can hold", {
        expected: `at most ${left.keys} bytes more`,
        found: `${shared + unshared}`,
      });
    }
    left.keys -= shared + unshared;
    const suffix = reader.bytes(unshared);
    const next = new Uint8Array(shared + unshared);
    next.set(key.subarray(0, shared));
    next.set(suffix, shared);
    key = next;
    const offset = reader.position;
    entries.push({ key: decoder.decode(key), value: { bytes: reader.bytes(length), offset } });
  }
  return entries;
}

class Varints {
  position = 0;
  readonly #bytes: Uint8Array;
  readonly #fail: FailWhole;

  constructor(bytes: Uint8Array, fail: FailWhole) {
    this.#bytes = bytes;
    this.#fail = fail;
  }

  get isAtEnd(): boolean {
    return this.position >= this.#bytes.length;
  }

  /** Up to 2^49, far more than any file has. */
  next(): number {
    let value = 0;
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = this.#bytes[this.position++];
      if (byte === undefined) break;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    return this.#fail("the table is damaged: a number", {
      expected: "a varint below 2^49",
      found: this.position > this.#bytes.length ? "the end of a block" : "a longer one",
    });
  }

  handle(): Handle {
    return { offset: this.next(), size: this.next() };
  }

  bytes(length: number): Uint8Array {
    const left = this.#bytes.length - this.position;
    if (length > left) {
      this.#fail("a block of the table is cut short", { expected: `${length} bytes`, found: `${left}` });
    }
    this.position += length;
    return this.#bytes.subarray(this.position - length, this.position);
  }
}
