/**
 * Reads an ONNX model: initialisers and constants as named tensors, operations, inputs and outputs.
 *
 * Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */

import { sizeOf, type Tensor, type TensorData } from "../tensor.ts";
import {
  brainHalves,
  type ElementType,
  elementBytes,
  type Fail,
  failAt,
  fetchAgain,
  halves,
  narrowed,
  readElements,
  shownName,
  view,
} from "./bytes.ts";
import { type OnnxInput, type OnnxNode, readInput, readNode } from "./onnx-graph.ts";
import { ProtoReader, WireType } from "./protobuf.ts";

export interface OnnxModel {
  /** Views of the file if raw float32, float64 or int32, and aligned. */
  readonly tensors: Map<string, Tensor>;
  /**
   * Tensors that cannot be represented, with the reason: strings, complex numbers, int64 beyond int32 (except the
   * largest), ...
   */
  readonly unreadable: ReadonlyMap<string, string>;
  /** metadata_props; in our files, labels and pre-processing. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Topologically sorted; without Constant nodes, which are tensors. */
  readonly nodes: readonly OnnxNode[];
  /** Without those that are also initialisers. */
  readonly inputs: readonly OnnxInput[];
  readonly outputs: readonly string[];
}

/** Files in which a model stores values, by the names used in it. */
export type ExternalData = ReadonlyMap<string, Uint8Array>;

const mostInitialisers = 100_000;
/** The number in ResNet-1202 with squeeze and excitation; more would only cost time. */
const mostNodes = 8000;
const mostAxes = 64;

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

/**
 * Reads an `.onnx` file. F16 and BF16 are widened to float32, small integers and booleans to int32; int64 is narrowed
 * to int32.
 * @param where the file's name, for errors
 * @param external see `externalFiles`
 * @throws SenetError `weights` where the file is damaged, has a duplicate name, or stores values in a file that is
 * missing or too short
 */
export function parseOnnxInitialisers(bytes: Uint8Array, where: string, external: ExternalData = new Map()): OnnxModel {
  const result: Found = {
    tensors: new Map<string, Tensor>(),
    unreadable: new Map<string, string>(),
    metadata: new Map<string, string>(),
    nodes: [],
    inputs: [],
    outputs: [],
    external,
  };
  const model = new ProtoReader(bytes, where);
  let hasGraph = false;
  while (model.next()) {
    if (model.field === 7) {
      hasGraph = true;
      readGraph(model.message(), where, result);
    } else if (model.field === 14) {
      const [key, value] = readEntry(model.message());
      if (result.metadata.size >= mostInitialisers)
        model.fail(`there are more than ${mostInitialisers} metadata entries`);
      result.metadata.set(key, value);
    } else model.skip();
  }
  if (!hasGraph) failAt(where)("there is no graph in this file", { expected: "an ONNX model", hint: fetchAgain });
  const { tensors, unreadable, inputs } = result;
  return { ...result, inputs: inputs.filter(({ name }) => !tensors.has(name) && !unreadable.has(name)) };
}

/** Names of the files in which a model stores values; not checked. */
export function externalFiles(bytes: Uint8Array, where: string): ReadonlySet<string> {
  const files = new Set<string>();
  const model = new ProtoReader(bytes, where);
  while (model.next()) {
    if (model.field !== 7) {
      model.skip();
      continue;
    }
    const graph = model.message();
    while (graph.next()) {
      if (graph.field !== 5) {
        graph.skip();
        continue;
      }
      const { external } = readHeader(graph.chunk(), where);
      if (external !== undefined) files.add(external.get("location") ?? "");
      if (files.size > mostFiles) graph.fail(`the values are in more than ${mostFiles} files`);
    }
  }
  return files;
}

const mostFiles = 1000;

interface Found {
  readonly tensors: Map<string, Tensor>;
  readonly unreadable: Map<string, string>;
  readonly metadata: Map<string, string>;
  readonly nodes: OnnxNode[];
  readonly inputs: OnnxInput[];
  readonly outputs: string[];
  readonly external: ExternalData;
}

function readGraph(graph: ProtoReader, where: string, found: Found): void {
  const { tensors, unreadable, nodes, inputs, outputs } = found;
  const add = (name: string, read: (fail: Fail) => Tensor | string) => {
    if (tensors.size + unreadable.size >= mostInitialisers)
      graph.fail(`there are more than ${mostInitialisers} initialisers`);
    const fail = failAt(`${where}: initialiser ${shownName(name)}`);
    if (tensors.has(name) || unreadable.has(name)) fail("the name occurs twice", { hint: fetchAgain });
    const tensor = read(fail);
    if (typeof tensor === "string") unreadable.set(name, tensor);
    else tensors.set(name, tensor);
  };
  while (graph.next()) {
    switch (graph.field) {
      case 1: {
        const node = readNode(graph.message());
        const value = node.op === "Constant" ? constantOf(node, where, found.external) : undefined;
        if (value !== undefined && node.outputs[0] !== undefined) add(node.outputs[0], value);
        else if (nodes.push(node) > mostNodes) graph.fail(`there are more than ${mostNodes} nodes`);
        break;
      }
      case 5: {
        const header = readHeader(graph.chunk(), where);
        add(header.name, (fail) => readTensor(header, found.external, fail));
        break;
      }
      case 11:
        if (inputs.push(readInput(graph.message())) > mostInitialisers)
          graph.fail(`there are more than ${mostInitialisers} inputs`);
        break;
      case 12:
        if (outputs.push(readInput(graph.message()).name) > mostInitialisers)
          graph.fail(`there are more than ${mostInitialisers} outputs`);
        break;
      case 15:
        graph.fail("sparse initialisers are not read", { hint: "save the model with dense weights" });
        break;
      default:
        graph.skip();
    }
  }
}

/** Reads the value of a Constant node: a tensor, or since opset 12 also numbers. */
function constantOf(
  { tensors, numbers }: OnnxNode,
  where: string,
  external: ExternalData,
): ((fail: Fail) => Tensor | string) | undefined {
  const tensor = tensors.get("value");
  if (tensor !== undefined) return (fail) => readTensor(readHeader(tensor, where), external, fail);
  for (const [name, values] of numbers) {
    const [, kind, isList] = /^value_(float|int)(s?)$/.exec(name) ?? [];
    if (kind === undefined) continue;
    const shape = isList === "s" ? [values.length] : [];
    if (kind === "float") return () => ({ dtype: "float32", shape, data: Float32Array.from(values) });
    const [least, most] = [-(2 ** 31), 2 ** 31 - 1];
    return () => ({
      ...{ dtype: "int32", shape },
      data: Int32Array.from(values, (value) => Math.min(Math.max(value, least), most)),
    });
  }
  return undefined;
}

/** A TensorProto without its values, which are read once their type and number are known. */
interface Header {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dataType: number;
  /** Location, offset and length of its values in another file. */
  readonly external: ReadonlyMap<string, string> | undefined;
  readonly raw: Uint8Array | undefined;
  readonly bytes: Uint8Array;
  readonly where: string;
}

function readHeader(bytes: Uint8Array, where: string): Header {
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
function readTensor(header: Header, files: ExternalData, fail: Fail): Tensor | string {
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
function readEntry(entry: ProtoReader): [key: string, value: string] {
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
  { bytes, where }: Header,
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
