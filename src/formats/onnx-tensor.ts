/** Reads one tensor of an ONNX model (TensorProto): its values are raw bytes, typed fields, or in a file beside the model. */

import { sizeOf, type Tensor, type TensorData } from "../tensor.ts";
import {
  brainHalves,
  type ElementType,
  elementBytes,
  type Fail,
  fetchAgain,
  halves,
  narrowed,
  readElements,
  shownName,
  view,
} from "./bytes.ts";
import { ProtoReader, WireType } from "./protobuf.ts";

/** Files in which a model stores values, by the names used in it. */
export type ExternalData = ReadonlyMap<string, Uint8Array>;

/** The supported types of TensorProto.DataType. */
const dataTypes: Readonly<Record<number, ElementType>> = {
  1: "F32",
  2: "U8",
  3: "I8",
  5: "I16",
  6: "I32",
  7: "I64",
  9: "BOOL",
  10: "F16",
  11: "F64",
  16: "BF16",
};

const mostAxes = 64;

/** A TensorProto without its values, which are read once their type and number are known. */
export interface TensorHeader {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dataType: number;
  /** Location, offset and length of its values in another file. */
  readonly external: ReadonlyMap<string, string> | undefined;
  readonly raw: Uint8Array | undefined;
  readonly bytes: Uint8Array;
  readonly where: string;
}

export function readHeader(bytes: Uint8Array, where: string): TensorHeader {
  const shape: number[] = [];
  let dataType = 0;
  let name = "";
  let isExternal = false;
  const external = new Map<string, string>();
  let raw: Uint8Array | undefined;
  const tensor = new ProtoReader(bytes, where);
  while (tensor.next()) {
    switch (tensor.field) {
      case 1:
        tensor.ints((extent) => {
          if (shape.push(extent) > mostAxes) tensor.fail(`a tensor has more than ${mostAxes} axes`);
        });
        break;
      case 2:
        dataType = tensor.int();
        break;
      case 8:
        name = tensor.text();
        break;
      case 9:
        raw = tensor.chunk();
        break;
      case 13: {
        const [key, value] = readEntry(tensor.message());
        if (external.size < 10) external.set(key, value);
        break;
      }
      case 14:
        isExternal = tensor.int() === 1;
        break;
      default:
        tensor.skip();
    }
  }
  return { name, shape, dataType, external: isExternal ? external : undefined, raw, bytes, where };
}

/** The tensor in a node's attribute, or why it cannot be read. */
export const attributeTensor = (bytes: Uint8Array, fail: Fail): Tensor | string =>
  readTensor(readHeader(bytes, "an attribute"), new Map(), fail);

/** The tensor, or why it cannot be read. */
export function readTensor(header: TensorHeader, files: ExternalData, fail: Fail): Tensor | string {
  const type = dataTypes[header.dataType];
  if (type === undefined) return `its data type ${header.dataType} is not a type of numbers`;
  const size = sizeOf(header.shape);
  if (header.shape.some((extent) => extent < 0))
    fail("its shape is damaged", { found: `[${header.shape.join(", ")}]` });
  const misfit = (found: string): never =>
    fail("its values do not fill its shape", {
      expected: `${size} values for [${header.shape.join(", ")}]`,
      found,
      hint: fetchAgain,
    });
  let tooWide: string | undefined;
  const failWide: Fail = (what, details) => {
    tooWide = `${what}: ${details?.found}`;
    throw new TooWide();
  };
  let data: TensorData;
  try {
    const needed = size * elementBytes[type];
    const raw = header.external === undefined ? header.raw : externalBytes(header.external, files, needed, fail);
    if (raw !== undefined) {
      if (raw.length !== needed) misfit(`${raw.length} bytes of ${type}`);
      data =
        type === "I64"
          ? narrowed(bounded(view(BigInt64Array, raw, 0, size)), failWide)
          : readElements(type, raw, 0, size, failWide);
    } else {
      data = readTyped(header, type, size, failWide, misfit);
    }
  } catch (error) {
    if (error instanceof TooWide && tooWide !== undefined) return tooWide;
    throw error;
  }
  const dtype = data instanceof Float32Array ? "float32" : data instanceof Float64Array ? "float64" : "int32";
  return { dtype, shape: header.shape, data };
}

/** The bytes of a tensor in an external file. */
function externalBytes(
  external: ReadonlyMap<string, string>,
  files: ExternalData,
  needed: number,
  fail: Fail,
): Uint8Array {
  const location = external.get("location") ?? "";
  const file = files.get(location);
  if (file === undefined) {
    return fail("its values are in a file beside the model, which is missing", {
      found: shownName(location),
      hint: "save the model in one file: onnx.save(onnx.load(FILE), OUT)",
    });
  }
  const number = (key: string, otherwise: number) => {
    const text = external.get(key);
    return text === undefined ? otherwise : /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  };
  const offset = number("offset", 0);
  const length = number("length", needed);
  if (!(length === needed && offset + length <= file.length)) {
    fail(`its values are not in the file ${shownName(location)} beside the model`, {
      expected: `${needed} bytes within ${file.length}`,
      found: `${external.get("length") ?? needed} bytes from ${external.get("offset") ?? 0}`,
      hint: fetchAgain,
    });
  }
  return file.subarray(offset, offset + length);
}

/** A StringStringEntryProto. */
export function readEntry(entry: ProtoReader): [key: string, value: string] {
  let key = "";
  let value = "";
  while (entry.next()) {
    if (entry.field === 1) key = entry.text();
    else if (entry.field === 2) value = entry.text();
    else entry.skip();
  }
  return [key, value];
}

/** In a Slice, the largest int64 means "to the end", like the largest int32; the smallest "to the beginning". */
const bounded = (values: BigInt64Array): BigInt64Array =>
  values.map((value) => (value === largest64 ? largest32 : value <= -largest64 ? -largest32 - 1n : value));
const [largest64, largest32] = [2n ** 63n - 1n, 2n ** 31n - 1n];

/** An int64 that does not fit int32: such constants are not weights, and no reason to refuse a file. */
class TooWide extends Error {}

/**
 * Values in typed fields: float_data 4, int32_data 5 (also small integers and half floats), int64_data 7, double_data
 * 10.
 */
function readTyped(
  { bytes, where }: TensorHeader,
  type: ElementType,
  size: number,
  failWide: Fail,
  misfit: (found: string) => never,
): TensorData {
  const field = type === "F32" ? 4 : type === "F64" ? 10 : type === "I64" ? 7 : 5;
  // Each value takes at least a byte, so a false shape costs no memory.
  if (size > bytes.length) misfit(`${bytes.length} bytes`);
  const values =
    type === "F32"
      ? new Float32Array(size)
      : type === "F64"
        ? new Float64Array(size)
        : type === "I64"
          ? new BigInt64Array(size)
          : new Int32Array(size);
  let count = 0;
  const add = (value: number) => {
    if (count < size) (values as TensorData)[count] = value;
    count++;
  };
  const tensor = new ProtoReader(bytes, where);
  while (tensor.next()) {
    if (tensor.field !== field) tensor.skip();
    else if (field === 10) {
      if (tensor.wire === WireType.Bit64) add(tensor.double());
      else {
        const chunk = tensor.chunk();
        if (chunk.length % 8 !== 0) misfit(`${chunk.length} bytes of doubles`);
        view(Float64Array, chunk, 0, chunk.length / 8).forEach(add);
      }
    } else if (field === 4) {
      if (tensor.wire === WireType.Bit32) add(tensor.float());
      else {
        const chunk = tensor.chunk();
        if (chunk.length % 4 !== 0) misfit(`${chunk.length} bytes of floats`);
        view(Float32Array, chunk, 0, chunk.length / 4).forEach(add);
      }
    } else if (values instanceof BigInt64Array) {
      tensor.bigints((value) => {
        if (count < size) values[count] = value;
        count++;
      });
    } else tensor.ints(add);
  }
  if (count !== size) misfit(`${count}`);
  if (values instanceof BigInt64Array) return narrowed(bounded(values), failWide);
  if (!(values instanceof Int32Array)) return values;
  if (type === "F16") return halves(values);
  return type === "BF16" ? brainHalves(values) : values;
}
