/** Values of Python's and of NumPy's own as they stand in pickles. */

import { PickleObject, type PickleValue } from "./pickle.ts";

/** Protocols before 3 have no bytes, and write text that is to be encoded: a character a byte. */
function encoded(value: PickleValue): string | undefined {
  const text = value instanceof PickleObject && value.name === "_codecs.encode" ? value.args[0] : undefined;
  return typeof text === "string" ? text : undefined;
}

/** Fresh where they are encoded in a text: many objects of a hostile file may have the same one. */
export function pickledBytes(value: PickleValue): Uint8Array | undefined {
  const text = encoded(value);
  const bytes = text === undefined ? value : Uint8Array.from(text, (c) => c.charCodeAt(0));
  return bytes instanceof Uint8Array ? bytes : undefined;
}

/** How many `pickledBytes` gives, without making them. */
export const pickledLength = (value: PickleValue): number | undefined =>
  value instanceof Uint8Array ? value.length : encoded(value)?.length;

/** Python 2 and CIFAR's files have bytes. */
export function pickledText(value: PickleValue): string | undefined {
  if (typeof value === "string") return value;
  const bytes = pickledBytes(value);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/** An integer of Python's or of NumPy's (`numpy.core.multiarray.scalar` of a dtype and bytes). */
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
  /** The letter and the size of its type: `f4`. */
  readonly type: string;
  /** Of its bytes: `<`, `>`, or `|` where they have none. */
  readonly order: string;
  /** Whether the first axis runs fastest. */
  readonly isFortran: boolean;
  /** Its elements' bytes, as `pickledBytes` reads them; of an array of Python objects, a list of these. */
  readonly elements: PickleValue;
}

/** @returns undefined for anything else */
export function pickledArray(value: PickleValue): PickledArray | undefined {
  if (!(value instanceof PickleObject)) return undefined;
  const maker = /^numpy\._?core\.(multiarray\._reconstruct|numeric\._frombuffer)$/.exec(value.name)?.[1];
  if (maker === undefined) return undefined;
  // (version, shape, type, order of axes, elements) of BUILD; of protocol 5 (elements, type, shape, order of axes)
  const [, ...state] = Array.isArray(value.state) ? value.state : [];
  const [buffer, bufferType, bufferShape, axes] = value.args;
  const isBuffer = maker === "numeric._frombuffer";
  const [shape, dtype, isFortran, elements] = isBuffer ? [bufferShape, bufferType, axes === "F", buffer] : state;
  const isShape = Array.isArray(shape) && shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0);
  if (!isShape || !(dtype instanceof PickleObject)) return undefined;
  const order = Array.isArray(dtype.state) ? dtype.state[1] : "|";
  return { shape, type: `${dtype.args[0]}`, order: `${order}`, isFortran: isFortran === true, elements };
}
