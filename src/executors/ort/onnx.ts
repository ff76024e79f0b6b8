/**
 * Writes ONNX model files: the few messages of onnx.proto that a lowered graph needs.
 *
 * Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Little-endian, as are all machines
 * that run JavaScript today.
 */

import { ProtoWriter } from "../../protobuf-writer.ts";
import { type DType, dtypeOf, type TensorData } from "../../tensor.ts";

/** Attributes have explicit types, since 1 may be an int or a float. */
export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] };

export type Attributes = Readonly<Record<string, Attribute>>;

export interface OnnxNode {
  readonly op: string;
  /** "" is ONNX itself; "com.microsoft" holds ONNX Runtime's own operators. */
  readonly domain: string;
  readonly name: string;
  /** "" is an omitted optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

export type OnnxData = TensorData | BigInt64Array;

export interface Initialiser {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: OnnxData;
}

/** A string dimension is a symbol bound at run time (`batch`). */
export interface ValueInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly (number | string)[];
}

export interface OnnxModel {
  readonly name: string;
  /** Versions of the operator sets by domain. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly nodes: readonly OnnxNode[];
  readonly initialisers: readonly Initialiser[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** TensorProto.DataType */
const dataTypes: Readonly<Record<DType, number>> = { float32: 1, uint8: 2, int8: 3, int32: 6, float64: 11 };
const int64Type = 7;

function dataTypeOf(data: OnnxData): number {
  return data instanceof BigInt64Array ? int64Type : dataTypes[dtypeOf(data)];
}

/** The IR version that goes with opset 18 (onnx 1.13). */
const irVersion = 8;

/** The bytes of a model file. */
export function encodeModel(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const w = new ProtoWriter().int(1, irVersion).text(2, "senet");
  w.message(7, (inner) => graph(inner, model));
  for (const [domain, version] of Object.entries(model.opsets)) {
    w.message(8, (opset) => opset.text(1, domain).int(2, version));
  }
  for (const [key, value] of Object.entries(model.metadata)) {
    w.message(14, (entry) => entry.text(1, key).text(2, value));
  }
  return w.finish();
}

function graph(w: ProtoWriter, model: OnnxModel): void {
  for (const node of model.nodes) w.message(1, (inner) => encodeNode(inner, node));
  w.text(2, model.name);
  for (const { name, shape, data } of model.initialisers) {
    w.message(5, (tensor) => {
      for (const extent of shape) tensor.int(1, extent);
      tensor.int(2, dataTypeOf(data)).text(8, name);
      tensor.bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    });
  }
  for (const value of model.inputs) w.message(11, (inner) => valueInfo(inner, value));
  for (const value of model.outputs) w.message(12, (inner) => valueInfo(inner, value));
}

function encodeNode(w: ProtoWriter, node: OnnxNode): void {
  for (const input of node.inputs) w.text(1, input);
  for (const output of node.outputs) w.text(2, output);
  w.text(3, node.name).text(4, node.op);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    w.message(5, (inner) => encodeAttribute(inner.text(1, name), attribute));
  }
  w.text(7, node.domain);
}

/** Field 20 is the type; the value is in that type's field. */
function encodeAttribute(w: ProtoWriter, attribute: Attribute): void {
  if ("float" in attribute) w.float(2, attribute.float).int(20, 1);
  else if ("int" in attribute) w.int(3, attribute.int).int(20, 2);
  else if ("string" in attribute) w.text(4, attribute.string).int(20, 3);
  else {
    for (const value of attribute.ints) w.int(8, value);
    w.int(20, 7);
  }
}

function valueInfo(w: ProtoWriter, { name, dtype, shape }: ValueInfo): void {
  const extents = (inner: ProtoWriter) => {
    for (const extent of shape) {
      inner.message(1, (one) => (typeof extent === "number" ? one.int(1, extent) : one.text(2, extent)));
    }
  };
  w.text(1, name).message(2, (type) =>
    type.message(1, (tensor) => tensor.int(1, dataTypes[dtype]).message(2, extents)),
  );
}
