/** Helpers of the readers of weight files: errors, views of a file's bytes, and conversion of elements. */

import { SenetError } from "../errors.ts";
import type { TensorData } from "../tensor.ts";

export type Fail = (what: string, details?: FailDetails) => never;

export interface FailDetails {
  readonly expected?: string;
  readonly found?: string | readonly string[];
  readonly hint?: string;
  readonly cause?: unknown;
}

/** Creates a function that throws a SenetError `weights` for a place: a file, or a tensor or layer in it. */
export function failAt(where: string): Fail {
  return (what, details = {}) => {
    throw new SenetError("weights", what, { where, ...details });
  };
}

/** Throws an error with all details; the hint defaults to the place's. */
export type FailWhole = (
  what: string,
  details: FailDetails & Required<Pick<FailDetails, "expected" | "found">>,
) => never;

/** As `failAt`, with a default hint. */
export function failTrying(where: string, hint: string): FailWhole {
  const fail = failAt(where);
  return (what, details) => fail(what, { hint, ...details });
}

/** For damaged bytes of a file. */
export const damagedAt = (where: string): FailWhole => failTrying(where, fetchAgain);

export const fetchAgain = "the file is damaged or cut short; fetch or save it again";

/** A name from a file, for an error; hostile ones can be long or contain control characters. */
export function shownName(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);
}

/** Element types in files, by safetensors' names. */
export type ElementType =
  | "F64"
  | "F32"
  | "F16"
  | "BF16"
  | "I64"
  | "I32"
  | "I16"
  | "I8"
  | "U64"
  | "U32"
  | "U16"
  | "U8"
  | "BOOL";

export const elementBytes: Readonly<Record<ElementType, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

interface ViewType<T> {
  new (buffer: ArrayBufferLike, offset: number, length: number): T;
  readonly BYTES_PER_ELEMENT: number;
}

/**
 * A typed array on the bytes, or on a copy if they are not aligned. Typed arrays have the machine's byte order:
 * little-endian, like the formats, on everything that runs JavaScript today.
 * @param start in bytes; `length` elements from there must be in `bytes`
 */
export function view<T>(type: ViewType<T>, bytes: Uint8Array, start: number, length: number): T {
  const offset = bytes.byteOffset + start;
  if (offset % type.BYTES_PER_ELEMENT === 0) return new type(bytes.buffer, offset, length);
  // Not `slice`, which for Node's Buffer (also a Uint8Array) returns a view instead of a copy.
  return new type(new Uint8Array(bytes.subarray(start, start + length * type.BYTES_PER_ELEMENT)).buffer, 0, length);
}

/**
 * Elements of a file as a tensor's data. F64, F32 and I32 are unchanged, and views if aligned; F16 and BF16 are widened
 * to float32, smaller integers widened and larger ones narrowed to int32.
 * @param start in bytes; `length` elements from there must be in `bytes`
 * @throws through `fail` where an integer does not fit int32
 */
export function readElements(
  type: ElementType,
  bytes: Uint8Array,
  start: number,
  length: number,
  fail: Fail,
): TensorData {
  switch (type) {
    case "F64":
      return view(Float64Array, bytes, start, length);
    case "F32":
      return view(Float32Array, bytes, start, length);
    case "I32":
      return view(Int32Array, bytes, start, length);
    case "F16":
      return halves(view(Uint16Array, bytes, start, length));
    case "BF16":
      return brainHalves(view(Uint16Array, bytes, start, length));
    case "I64":
      return narrowed(view(BigInt64Array, bytes, start, length), fail);
    case "U64":
      return narrowed(view(BigUint64Array, bytes, start, length), fail);
    case "U32":
      return narrowed(BigInt64Array.from(view(Uint32Array, bytes, start, length), BigInt), fail);
    case "U16":
      return new Int32Array(view(Uint16Array, bytes, start, length));
    case "I16":
      return new Int32Array(view(Int16Array, bytes, start, length));
    case "I8":
      return new Int32Array(view(Int8Array, bytes, start, length));
    case "U8":
    case "BOOL":
      return new Int32Array(view(Uint8Array, bytes, start, length));
  }
}

/** Converts IEEE binary16 values, given as bits. */
export function halves(bits: Uint16Array | Int32Array): Float32Array {
  const wide = new Uint32Array(bits.length);
  const values = new Float32Array(wide.buffer);
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i]!;
    const exponent = half & 0x7c00;
    // float32 has 13 more bits of fraction, and an exponent with another bias; 31 stands for infinity and NaN.
    if (exponent === 0) values[i] = (half & 0x8000 ? -(2 ** -24) : 2 ** -24) * (half & 1023);
    else
      wide[i] = ((half & 0x8000) << 16) | (((half & 0x7fff) << 13) + (exponent === 0x7c00 ? 0x70000000 : 0x38000000));
  }
  return values;
}

/** Converts bfloat16 values, given as bits: each is the upper half of a float32. */
export function brainHalves(bits: Uint16Array | Int32Array): Float32Array {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16;
  return new Float32Array(wide.buffer);
}

/** @throws through `fail` where a value does not fit int32 */
export function narrowed(wide: BigInt64Array | BigUint64Array, fail: Fail): Int32Array {
  const narrow = new Int32Array(wide.length);
  for (let i = 0; i < wide.length; i++) {
    narrow[i] = Number(BigInt.asIntN(32, wide[i]!));
    if (BigInt(narrow[i]!) !== wide[i]) {
      fail("a 64-bit integer does not fit int32", { expected: "-2^31 to 2^31 - 1", found: `${wide[i]} at ${i}` });
    }
  }
  return narrow;
}
