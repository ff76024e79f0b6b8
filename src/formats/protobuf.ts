/**
 * A reader of the protobuf wire format for untrusted files, shared by the readers of Caffe and ONNX files.
 *
 * `@bufbuild/protobuf` handles varints, tags and bounds. Added here: a length beyond 2^32 is not taken modulo 2^32, the
 * wire type must match the value read, and every fault is a SenetError with its byte position. Nothing is copied: bytes
 * and messages are views of the file.
 */

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { type Fail, type FailDetails, failAt, fetchAgain } from "./bytes.ts";

export { WireType };

/** The depth limit of protobuf's own readers. */
const deepest = 100;

/**
 * The fields of one message: `next` moves to a field, then exactly one method reads or skips its value.
 *
 * ```ts
 * while (message.next()) {
 *   if (message.field === 1) name = message.text();
 *   else message.skip();
 * }
 * ```
 *
 * Every method throws a SenetError `weights` where the bytes are damaged.
 */
export class ProtoReader {
  /** The number of the current field. */
  field = 0;
  wire: WireType = WireType.Varint;
  readonly bytes: Uint8Array;
  readonly #reader: BinaryReader;
  readonly #fail: Fail;
  readonly #where: string;
  /** Start of the message in the file. */
  readonly #offset: number;
  readonly #depth: number;

  /** @param bytes all of the message, and nothing after it; `where` names the file for errors */
  constructor(bytes: Uint8Array, where: string, offset = 0, depth = 0) {
    this.bytes = bytes;
    this.#reader = new BinaryReader(bytes);
    this.#where = where;
    this.#fail = failAt(where);
    this.#offset = offset;
    this.#depth = depth;
  }

  next(): boolean {
    if (this.#reader.pos >= this.bytes.length) return false;
    try {
      [this.field, this.wire] = this.#reader.tag();
    } catch (cause) {
      this.#damaged("a field's tag is damaged", cause);
    }
    return true;
  }

  /** An int32, int64, uint32, uint64, bool or enum; values beyond 2^53 are refused. */
  int(): number {
    this.#expect(WireType.Varint);
    return this.#varint();
  }

  fixed32(): number {
    this.#expect(WireType.Bit32);
    return this.#fixed(4, () => this.#reader.fixed32());
  }

  float(): number {
    this.#expect(WireType.Bit32);
    return this.#fixed(4, () => this.#reader.float());
  }

  double(): number {
    this.#expect(WireType.Bit64);
    return this.#fixed(8, () => this.#reader.double());
  }

  /** Bytes, as a view. */
  chunk(): Uint8Array {
    this.#expect(WireType.LengthDelimited);
    const reader = this.#reader;
    const start = reader.pos;
    const length = this.#length();
    const from = reader.pos;
    if (length > this.bytes.length - from) {
      this.#damaged(`field ${this.field} is longer than the message that it is in`, undefined, start, {
        expected: `at most ${this.bytes.length - from} bytes`,
        found: `${length}`,
      });
    }
    reader.pos = from + length;
    return this.bytes.subarray(from, from + length);
  }

  /** UTF-8; proto2 does not enforce that, so invalid bytes become U+FFFD. */
  text(): string {
    const chunk = this.chunk();
    return chunk.length === 0 ? "" : decoder.decode(chunk);
  }

  /** A reader of a nested message. */
  message(): ProtoReader {
    if (this.#depth >= deepest) this.#damaged(`messages are nested more than ${deepest} deep`);
    const chunk = this.chunk();
    const offset = this.#offset + this.#reader.pos - chunk.length;
    return new ProtoReader(chunk, this.#where, offset, this.#depth + 1);
  }

  /** The integers of a repeated field, packed or single; `each` is called for each. */
  ints(each: (value: number) => void): void {
    if (this.wire === WireType.Varint) {
      each(this.int());
      return;
    }
    const packed = this.#packed();
    while (packed.#reader.pos < packed.bytes.length) each(packed.#varint());
  }

  /** The same for any int64. */
  bigints(each: (value: bigint) => void): void {
    if (this.wire === WireType.Varint) {
      each(BigInt(this.#anyVarint()));
      return;
    }
    const packed = this.#packed();
    while (packed.#reader.pos < packed.bytes.length) each(BigInt(packed.#anyVarint()));
  }

  /** The floats of a repeated field with few values, packed or single. */
  floats(each: (value: number) => void): void {
    if (this.wire === WireType.Bit32) {
      each(this.float());
      return;
    }
    const packed = this.#packed();
    while (packed.#reader.pos < packed.bytes.length) each(packed.#fixed(4, () => packed.#reader.float()));
  }

  skip(): void {
    switch (this.wire) {
      case WireType.Varint:
        // Its value, which is not needed, may be beyond 2^53.
        this.#anyVarint();
        break;
      case WireType.Bit32:
        this.#fixed(4, () => {
          this.#reader.pos += 4;
        });
        break;
      case WireType.Bit64:
        this.#fixed(8, () => {
          this.#reader.pos += 8;
        });
        break;
      case WireType.LengthDelimited:
        this.chunk();
        break;
      default:
        this.#damaged(`field ${this.field} is a group, which no weight file has`);
    }
  }

  /** An error at the current position. */
  fail(what: string, details?: FailDetails): never {
    return this.#damaged(what, undefined, this.#reader.pos, details);
  }

  /** A reader positioned in packed values as if it had just read their tag. */
  #packed(): ProtoReader {
    const packed = this.message();
    packed.field = this.field;
    return packed;
  }

  #expect(wire: WireType): void {
    if (this.wire === wire) return;
    this.#damaged(`field ${this.field} has the wrong type`, undefined, this.#reader.pos, {
      expected: wireNames[wire],
      found: wireNames[this.wire],
    });
  }

  #varint(): number {
    const reader = this.#reader;
    const first = this.bytes[reader.pos];
    if (first !== undefined && first < 0x80) {
      reader.pos++;
      return first;
    }
    const start = reader.pos;
    const value = Number(this.#anyVarint());
    if (!Number.isSafeInteger(value)) {
      this.#damaged(`field ${this.field} is larger than any size can be`, undefined, start, { found: `${value}` });
    }
    return value;
  }

  #anyVarint(): bigint | string {
    try {
      return this.#reader.int64();
    } catch (cause) {
      return this.#damaged(`field ${this.field} is cut short or not a varint`, cause);
    }
  }

  /** The length of a chunk: up to five bytes, with four bits in the last, as in a tag. */
  #length(): number {
    const reader = this.#reader;
    const start = reader.pos;
    try {
      const length = reader.uint32();
      const count = reader.pos - start;
      if (count < 5 || (count === 5 && this.bytes[reader.pos - 1]! <= 0x0f)) return length;
    } catch (cause) {
      this.#damaged(`the length of field ${this.field} is cut short or not a varint`, cause, start);
    }
    return this.#damaged(`the length of field ${this.field} is beyond 2^32`, undefined, start);
  }

  #fixed<T>(size: number, read: () => T): T {
    if (this.bytes.length - this.#reader.pos < size) this.#damaged(`field ${this.field} is cut short`);
    return read();
  }

  #damaged(what: string, cause?: unknown, position = this.#reader.pos, details: FailDetails = {}): never {
    // A failed read may have advanced beyond the end.
    const at = this.#offset + Math.min(position, this.bytes.length);
    const byte = this.bytes[position];
    return this.#fail(`${what} (byte ${at})`, {
      expected: "a sound field",
      found: byte === undefined ? "the end of its message" : `0x${byte.toString(16).padStart(2, "0")} there`,
      hint: fetchAgain,
      ...(cause !== undefined && { cause }),
      ...details,
    });
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const wireNames: Readonly<Record<WireType, string>> = {
  [WireType.Varint]: "a varint",
  [WireType.Bit64]: "64 bits",
  [WireType.LengthDelimited]: "bytes with a length",
  [WireType.StartGroup]: "a group",
  [WireType.EndGroup]: "the end of a group",
  [WireType.Bit32]: "32 bits",
};
