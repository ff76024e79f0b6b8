/**
 * Decompresses Snappy, which TensorFlow's tables may use:
 * https://github.com/google/snappy/blob/main/format_description.txt
 */

import type { FailWhole } from "./bytes.ts";

/** A copy of 64 bytes takes three. */
const mostGrowth = 32;

/** @throws through `fail` where the bytes are damaged */
export function unsnappy(bytes: Uint8Array, fail: FailWhole): Uint8Array {
  const damaged = (found: string): never =>
    fail("a compressed block is damaged", { expected: "Snappy's bytes", found });
  let at = 0;
  const byte = () => bytes[at++] ?? damaged("its end too early");
  let size = 0;
  for (let shift = 0; ; shift += 7) {
    const next = byte();
    size += (next & 127) * 2 ** shift;
    if (next < 128) break;
    if (shift > 28) damaged("a length beyond 2^32");
  }
  if (size > mostGrowth * bytes.length + 64) damaged(`${bytes.length} bytes that cannot unpack to ${size}`);
  const result = new Uint8Array(size);
  let length = 0;
  const little = (count: number) => {
    let value = 0;
    for (let i = 0; i < count; i++) value += byte() * 2 ** (8 * i);
    return value;
  };
  while (at < bytes.length) {
    const tag = byte();
    if ((tag & 3) === 0) {
      const short = tag >> 2;
      const count = (short < 60 ? short : little(short - 59)) + 1;
      if (count > bytes.length - at || count > size - length) damaged(`a literal of ${count} bytes, too long`);
      result.set(bytes.subarray(at, at + count), length);
      at += count;
      length += count;
      continue;
    }
    const isNear = (tag & 3) === 1;
    const count = isNear ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const offset = isNear ? (tag >> 5) * 256 + byte() : little((tag & 3) === 2 ? 2 : 4);
    if (offset === 0 || offset > length || count > size - length) damaged("a copy of what is not there");
    // Source and result may overlap.
    for (const end = length + count; length < end; length++) result[length] = result[length - offset]!;
  }
  return length === size ? result : damaged(`${length} bytes unpacked, not ${size}`);
}
