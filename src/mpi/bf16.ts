/** The upper half of float32, which is what gradients may travel as. */

/** Rounded to the nearest, of two equally near ones to the even one; what is not a number stays so. */
export function toBf16(from: Float32Array, into: Uint16Array): void {
  const bits = new Uint32Array(from.buffer, from.byteOffset, from.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const isNumber = (word & 0x7fffffff) <= 0x7f800000;
    into[i] = isNumber ? (word + 0x7fff + ((word >>> 16) & 1)) >>> 16 : (word >>> 16) | 0x40;
  }
}

/** @param into begins anew, or is added to */
export function fromBf16(from: Uint16Array, into: Float32Array, how: "set" | "add"): void {
  const bits = new Uint32Array(1);
  const number = new Float32Array(bits.buffer);
  for (let i = 0; i < from.length; i++) {
    bits[0] = from[i]! << 16;
    into[i] = how === "set" ? number[0]! : into[i]! + number[0]!;
  }
}
