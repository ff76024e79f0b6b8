/** Reads values of Python and NumPy types in pickles. */

import { PickleObject, type PickleValue } from "./pickle-values.ts";

/** Protocols before 3 have no bytes: they store text, one character per byte, and a call that encodes it. */
function encoded(value: PickleValue): string | undefined {
  const text = value instanceof PickleObject && value.name === "_codecs.encode" ? value.args[0] : undefined;
  return typeof text === "string" ? text : undefined;
}

/** A new array each time if the bytes are encoded as text: many objects of a hostile file may share one text. */
export function pickledBytes(value: PickleValue): Uint8Array | undefined {
  const text = encoded(value);
  const bytes = text === undefined ? value : Uint8Array.from(text, (c) => c.charCodeAt(0));
  return bytes instanceof Uint8Array ? bytes : undefined;
}

/** The length of the result of `pickledBytes`, without creating it. */
export const pickledLength = (value: PickleValue): number | undefined =>
  value instanceof Uint8Array ? value.length : encoded(value)?.length;

/** Python 2 and CIFAR's files store text as bytes. */
export function pickledText(value: PickleValue): string | undefined {
  if (typeof value === "string") return value;
  const bytes = pickledBytes(value);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/** An integer of Python or NumPy (`numpy.core.multiarray.scalar` of a dtype and bytes). */
export function integerOf(value: PickleValue): number | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : undefined;
  if (!(value instanceof PickleObject) || !/^numpy\._?core\.multiarray\.scalar$/.test(value.name)) return undefined;
  const [dtype, content] = value.args;
  const code = dtype instanceof PickleObject ? dtype.args[0] : undefined;
  const bytes = pickledBytes(content);
  if (typeof code !== "string" || !/^[iu][1248]$/.test(code) || bytes === undefined) return undefined;
  let integer = 0;
  for (let i = bytes.length - 1; i >= 0; i--) integer = integer * 256 + bytes[i]!;
  return Number.isSafeInteger(integer) ? integer : undefined;
}

/** A NumPy array. */
export interface PickledArray {
  readonly shape: readonly number[];
  /** Letter and size of its type: `f4`. */
  readonly type: string;
  /** Byte order: `<`, `>`, or `|` for types without one. */
  readonly order: string;
  /** Whether the first axis varies fastest. */
  readonly isFortran: boolean;
  /** The bytes of its elements, for `pickledBytes`; for an array of Python objects, a list of them. */
  readonly elements: PickleValue;
}

/** @returns undefined for anything else */
export function pickledArray(value: PickleValue): PickledArray | undefined {
  if (!(value instanceof PickleObject)) return undefined;
  const maker = /^numpy\._?core\.(multiarray\._reconstruct|numeric\._frombuffer)$/.exec(value.name)?.[1];
  if (maker === undefined) return undefined;
  // The state for BUILD is (version, shape, type, order of axes, elements); in protocol 5 (elements, type, shape, order
  // of axes)
  const [, ...state] = Array.isArray(value.state) ? value.state : [];
  const [buffer, bufferType, bufferShape, axes] = value.args;
  const isBuffer = maker === "numeric._frombuffer";
  const [shape, dtype, isFortran, elements] = isBuffer ? [bufferShape, bufferType, axes === "F", buffer] : state;
  const isShape = Array.isArray(shape) && shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0);
  if (!isShape || !(dtype instanceof PickleObject)) return undefined;
  const order = Array.isArray(dtype.state) ? dtype.state[1] : "|";
  return { shape, type: `${dtype.args[0]}`, order: `${order}`, isFortran: isFortran === true, elements };
}
