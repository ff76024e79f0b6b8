/**
 * ONNX model files: the few messages of onnx.proto that a lowered graph needs, and their bytes.
 *
 * Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Bytes are little-endian, as is
 * every machine that runs JavaScript today.
 */

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type DType, dtypeOf, type TensorData } from "../../tensor.ts";

/** An attribute says its type, because 1 may be an int or a float. */
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
  /** "" is an optional input that is left out. */
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

/** A string extent is a symbol that a run binds (`batch`). */
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
  const w = new BinaryWriter();
  int(w, 1, irVersion);
  text(w, 2, "senet");
  message(w, 7, () => graph(w, model));
  for (const [domain, version] of Object.entries(model.opsets)) {
    message(w, 8, () => {
      text(w, 1, domain);
      int(w, 2, version);
    });
  }
  for (const [key, value] of Object.entries(model.metadata)) {
    message(w, 14, () => {
      text(w, 1, key);
      text(w, 2, value);
    });
  }
  return w.finish();
}

function graph(w: BinaryWriter, model: OnnxModel): void {
  for (const node of model.nodes) message(w, 1, () => encodeNode(w, node));
  text(w, 2, model.name);
  for (const { name, shape, data } of model.initialisers) {
    message(w, 5, () => {
      for (const extent of shape) int(w, 1, extent);
      int(w, 2, dataTypeOf(data));
      text(w, 8, name);
      w.tag(9, WireType.LengthDelimited).bytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    });
  }
  for (const value of model.inputs) message(w, 11, () => valueInfo(w, value));
  for (const value of model.outputs) message(w, 12, () => valueInfo(w, value));
}

function encodeNode(w: BinaryWriter, node: OnnxNode): void {
  for (const input of node.inputs) text(w, 1, input);
  for (const output of node.outputs) text(w, 2, output);
  text(w, 3, node.name);
  text(w, 4, node.op);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    message(w, 5, () => {
      text(w, 1, name);
      encodeAttribute(w, attribute);
    });
  }
  text(w, 7, node.domain);
}

/** Field 20 is the type; the value stands in the field of that type. */
function encodeAttribute(w: BinaryWriter, attribute: Attribute): void {
  if ("float" in attribute) {
    w.tag(2, WireType.Bit32).float(attribute.float);
    int(w, 20, 1);
  } else if ("int" in attribute) {
    int(w, 3, attribute.int);
    int(w, 20, 2);
  } else if ("string" in attribute) {
    text(w, 4, attribute.string);
    int(w, 20, 3);
  } else {
    for (const value of attribute.ints) int(w, 8, value);
    int(w, 20, 7);
  }
}

function valueInfo(w: BinaryWriter, { name, dtype, shape }: ValueInfo): void {
  text(w, 1, name);
  message(w, 2, () => {
    message(w, 1, () => {
      int(w, 1, dataTypes[dtype]);
      message(w, 2, () => {
        for (const extent of shape) {
          message(w, 1, () => (typeof extent === "number" ? int(w, 1, extent) : text(w, 2, extent)));
        }
      });
    });
  });
}

function message(w: BinaryWriter, field: number, write: () => void): void {
  w.tag(field, WireType.LengthDelimited).fork();
  write();
  w.join();
}

function int(w: BinaryWriter, field: number, value: number): void {
  w.tag(field, WireType.Varint).int64(value);
}

function text(w: BinaryWriter, field: number, value: string): void {
  w.tag(field, WireType.LengthDelimited).string(value);
}
