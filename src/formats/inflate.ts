/** Inflates bytes with the platform's DecompressionStream, into memory of a size that was checked before. */

import { causeText } from "../errors.ts";
import { type FailWhole, fetchAgain } from "./bytes.ts";

/**
 * @param format `deflate-raw` as in ZIP archives, `deflate` with zlib's header and checksum
 * @param size the content's size, or a function that computes it from the content's first eight bytes, which may throw
 * @throws SenetError through `fail` (as a rejection) where the bytes are damaged or not of that size
 */
export async function inflate(
  bytes: Uint8Array,
  format: "deflate" | "deflate-raw",
  size: number | ((start: Uint8Array) => number),
  fail: FailWhole,
): Promise<Uint8Array> {
  if (typeof DecompressionStream === "undefined") {
    fail("it is compressed, which cannot be read here", {
      expected: "bytes as they are",
      found: "deflated ones",
      hint: "save the file again without compression",
    });
  }
  const content = new Growing(size);
  try {
    const stream = new DecompressionStream(format);
    const writer = stream.writable.getWriter();
    // A failure also arrives through the reader; here it only must not be unhandled.
    const ignore = () => {};
    // A cast: it is never shared memory.
    writer.write(bytes as Uint8Array<ArrayBuffer>).catch(ignore);
    writer.close().catch(ignore);
    const reader: ReadableStreamDefaultReader<Uint8Array> = stream.readable.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done || !content.add(value)) break;
      }
    } finally {
      await reader.cancel().catch(ignore);
    }
  } catch (cause) {
    content.throwIfRefused();
    const found = causeText(cause).slice(0, 160);
    fail("its compressed bytes are damaged", { expected: "zlib's bytes, whole", found, hint: fetchAgain, cause });
  }
  content.throwIfRefused();
  return content.whole(fail);
}

class Growing {
  readonly #size: number | ((start: Uint8Array) => number);
  /** Bytes before the size is known. */
  #start: Uint8Array = new Uint8Array(0);
  #content: Uint8Array | undefined;
  #length = 0;
  #isTooLong = false;
  #refusal: { readonly error: unknown } | undefined;

  constructor(size: number | ((start: Uint8Array) => number)) {
    this.#size = size;
    if (typeof size === "number") this.#content = new Uint8Array(size);
  }

  /** Adds a chunk; returns whether more is expected. */
  add(chunk: Uint8Array): boolean {
    let next = chunk;
    if (this.#content === undefined) {
      next = new Uint8Array(this.#start.length + chunk.length);
      next.set(this.#start);
      next.set(chunk, this.#start.length);
      this.#start = next;
      if (next.length < 8) return true;
      try {
        this.#content = new Uint8Array((this.#size as (start: Uint8Array) => number)(next.subarray(0, 8)));
      } catch (error) {
        this.#refusal = { error };
        return false;
      }
    }
    this.#isTooLong = next.length > this.#content.length - this.#length;
    if (this.#isTooLong) return false;
    this.#content.set(next, this.#length);
    this.#length += next.length;
    return true;
  }

  throwIfRefused(): void {
    if (this.#refusal !== undefined) throw this.#refusal.error;
  }

  whole(fail: FailWhole): Uint8Array {
    const size = this.#content?.length ?? 8;
    if (this.#content !== undefined && !this.#isTooLong && this.#length === size) return this.#content;
    return fail("it does not unpack to its size", {
      expected: `${size} bytes`,
      found: this.#isTooLong ? "more" : `${this.#content === undefined ? this.#start.length : this.#length}`,
      hint: fetchAgain,
    });
  }
}
