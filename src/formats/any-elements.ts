/** Reads elements of other programs' files, including values that are not weights. */

import type { TensorData } from "../tensor.ts";
import { type ElementType, type Fail, readElements, view } from "./bytes.ts";

/**
 * As `readElements`, but integers that do not fit int32 become float64: counters of steps or seconds must not make a
 * file unreadable.
 */
export function readAnyElements(type: ElementType, bytes: Uint8Array, start: number, length: number): TensorData {
  const fits = (value: number) => value >= -(2 ** 31) && value < 2 ** 31;
  const wide = (values: Iterable<bigint | number>): TensorData => {
    const numbers = Float64Array.from(values as Iterable<number>, Number);
    return numbers.every(fits) ? Int32Array.from(numbers) : numbers;
  };
  if (type === "I64") return wide(view(BigInt64Array, bytes, start, length));
  if (type === "U64") return wide(view(BigUint64Array, bytes, start, length));
  if (type === "U32") return wide(view(Uint32Array, bytes, start, length));
  return readElements(type, bytes, start, length, unreachable);
}

const unreachable: Fail = (what) => {
  throw new Error(what);
};

/** A copy with the byte order of each element reversed. */
export function swapped(bytes: Uint8Array, size: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  for (let at = 0; at + size <= copy.length; at += size) copy.subarray(at, at + size).reverse();
  return copy;
}
