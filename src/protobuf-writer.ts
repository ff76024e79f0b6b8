/**
 * Writes protobuf messages (https://protobuf.dev/programming-guides/encoding), with the kinds of values that our
 * formats need. The package used for reading also has a writer, but ten times the size, which pages would load before
 * their first answer.
 */

const varint = 0;
const bits64 = 1;
const counted = 2;
const bits32 = 5;

const encoder = new TextEncoder();

/** Little-endian, as are all machines that run JavaScript today. */
export class ProtoWriter {
  readonly #parts: Uint8Array[] = [];
  /** Small values not yet written to a chunk. */
  #pending: number[] = [];

  /** A signed integer, an enum or a boolean; negative values take ten bytes. @param value a safe integer */
  int(field: number, value: number): this {
    return this.#tag(field, varint).#varint(value);
  }

  float(field: number, value: number): this {
    return this.#tag(field, bits32).#raw(new Float32Array([value]));
  }

  double(field: number, value: number): this {
    return this.#tag(field, bits64).#raw(new Float64Array([value]));
  }

  text(field: number, value: string): this {
    return this.bytes(field, encoder.encode(value));
  }

  /** Bytes; not copied, so they must not change until `finish`. */
  bytes(field: number, value: Uint8Array): this {
    this.head(field, value.length);
    if (value.length < 64) {
      this.#pending.push(...value);
      return this;
    }
    this.#flush();
    this.#parts.push(value);
    return this;
  }

  /** The tag and length of a value that the caller writes separately. */
  head(field: number, length: number): this {
    return this.#tag(field, counted).#varint(length);
  }

  /** A packed list of integers. */
  packed(field: number, values: readonly number[]): this {
    const all = new ProtoWriter();
    for (const value of values) all.#varint(value);
    return this.bytes(field, all.finish());
  }

  message(field: number, write: (message: ProtoWriter) => void): this {
    const inner = new ProtoWriter();
    write(inner);
    inner.#flush();
    this.head(field, inner.#length);
    this.#flush();
    for (const part of inner.#parts) this.#parts.push(part);
    return this;
  }

  finish(): Uint8Array<ArrayBuffer> {
    this.#flush();
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  get #length(): number {
    return this.#parts.reduce((sum, { length }) => sum + length, 0);
  }

  #flush(): void {
    if (this.#pending.length > 0) this.#parts.push(Uint8Array.from(this.#pending));
    this.#pending = [];
  }

  #tag(field: number, wire: number): this {
    return this.#varint(field * 8 + wire);
  }

  #varint(value: number): this {
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 127n; rest >>= 7n) this.#pending.push(Number(rest & 127n) | 128);
    this.#pending.push(Number(rest));
    return this;
  }

  #raw({ buffer }: Float32Array | Float64Array): this {
    this.#pending.push(...new Uint8Array(buffer));
    return this;
  }
}
