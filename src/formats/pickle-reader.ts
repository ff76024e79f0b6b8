/** Reads what follows the opcodes of a pickle: numbers, texts and bytes. */

import { type Fail, fetchAgain } from "./bytes.ts";
import { PickleObject } from "./pickle-values.ts";

export class PickleReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position: number;
  /** Also says where the reader is. */
  readonly fail: Fail;

  constructor(bytes: Uint8Array, start: number, fail: Fail) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = start;
    this.fail = (what, details) => fail(`${what} (byte ${this.#position})`, { hint: fetchAgain, ...details });
  }

  /** Index of the next byte. */
  get position(): number {
    return this.#position;
  }

  /** Skips `size` bytes and returns their start. */
  #advance(size: number): number {
    const start = this.#position;
    if (size > this.#bytes.length - start) this.fail("the pickle is cut short");
    this.#position += size;
    return start;
  }

  uint8(): number {
    return this.#bytes[this.#advance(1)]!;
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  /** The one big-endian number. */
  float64(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** A length: inexact beyond what any file has. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8), true));
  }

  chunk(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Text that is not UTF-8 (Python 2's bytes, file names in other encodings) is never a tensor's name. */
  text(length: number): string {
    return decoder.decode(this.chunk(length));
  }

  /**
   * A little-endian two's complement integer; a number if it fits. Integers beyond 128 bits (states of random
   * generators) are not needed and would take long.
   */
  long(length: number): number | bigint | PickleObject {
    const chunk = this.chunk(length);
    if (length > 16) return new PickleObject("builtins.int", []);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(chunk[i]!);
    return narrow(BigInt.asIntN(8 * length, value));
  }

  /** A number as protocols 0 and 1 write it, on a line of its own; booleans are 00 and 01. */
  decimal(): number | bigint | boolean | PickleObject {
    const line = this.line();
    if (line === "00" || line === "01") return line === "01";
    const digits = /^[-+]?\d+L?$/.test(line) ? line.replace("L", "") : undefined;
    if (digits === undefined) return Number(line);
    return digits.length > 40 ? new PickleObject("builtins.int", []) : narrow(BigInt(digits.replace("+", "")));
  }

  /** The rest of a line. */
  line(): string {
    const start = this.#position;
    const end = this.#bytes.indexOf(0x0a, start);
    if (end < 0) this.fail("a line of the pickle has no end");
    this.#position = end + 1;
    return decoder.decode(this.#bytes.subarray(start, end));
  }
}

const narrow = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
