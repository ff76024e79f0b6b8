/** Reads the operations of an ONNX graph: nodes, inputs and outputs. Values are names, as in the format. */

import { shownName } from "./bytes.ts";
import { type ProtoReader, WireType } from "./protobuf.ts";

/** An operation, without attributes that our readers do not need (graphs, lists of strings). */
export interface OnnxNode {
  readonly name: string;
  readonly op: string;
  /** Empty for ONNX's own operations. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly numbers: ReadonlyMap<string, readonly number[]>;
  readonly strings: ReadonlyMap<string, string>;
  /** TensorProtos. */
  readonly tensors: ReadonlyMap<string, Uint8Array>;
}

export interface OnnxInput {
  readonly name: string;
  /** Undefined if a dimension is symbolic or missing. */
  readonly shape: readonly (number | undefined)[];
}

/** Limit on everything in a node; tensors' values are elsewhere. */
const most = 1000;

/** A NodeProto. */
export function readNode(node: ProtoReader): OnnxNode {
  let name = "";
  let op = "";
  let domain = "";
  const inputs: string[] = [];
  const outputs: string[] = [];
  let found = noAttributes;
  while (node.next()) {
    switch (node.field) {
      case 1:
        if (inputs.push(node.text()) > most) node.fail(`a node has more than ${most} inputs`);
        break;
      case 2:
        if (outputs.push(node.text()) > most) node.fail(`a node has more than ${most} outputs`);
        break;
      case 3:
        name = node.text();
        break;
      case 4:
        op = node.text();
        break;
      case 5:
        // Shared by most nodes: separate maps would be the largest part of a hostile file.
        if (found === noAttributes) found = { numbers: new Map(), strings: new Map(), tensors: new Map() };
        readAttribute(node.message(), found);
        break;
      case 7:
        domain = node.text();
        break;
      default:
        node.skip();
    }
  }
  return { name, op, domain: domain === "ai.onnx" ? "" : domain, inputs, outputs, ...found };
}

const noAttributes: Attributes = { numbers: new Map(), strings: new Map(), tensors: new Map() };

interface Attributes {
  readonly numbers: Map<string, readonly number[]>;
  readonly strings: Map<string, string>;
  readonly tensors: Map<string, Uint8Array>;
}

function readAttribute(attribute: ProtoReader, found: Attributes): void {
  let name = "";
  let string: string | undefined;
  let tensor: Uint8Array | undefined;
  const numbers: number[] = [];
  const add = (value: number) => {
    if (numbers.push(value) > most) attribute.fail(`an attribute has more than ${most} numbers`);
  };
  while (attribute.next()) {
    switch (attribute.field) {
      case 1:
        name = attribute.text();
        break;
      case 2:
        add(attribute.float());
        break;
      case 3:
        add(signed(attribute));
        break;
      case 4:
        string = attribute.text();
        break;
      case 5:
        tensor = attribute.chunk();
        break;
      case 7:
        attribute.floats(add);
        break;
      case 8:
        attribute.bigints((value) => add(Number(value)));
        break;
      default:
        attribute.skip();
    }
  }
  if (numbers.length > 0) found.numbers.set(name, numbers);
  if (string !== undefined) found.strings.set(name, string);
  if (tensor !== undefined) found.tensors.set(name, tensor);
}

/** An int64, which may exceed 2^53: sizes never do, and the end of a slice may be anything. */
function signed(reader: ProtoReader): number {
  let value = 0;
  if (reader.wire !== WireType.Varint) reader.fail("an attribute has the wrong type");
  reader.bigints((wide) => {
    value = Number(wide);
  });
  return value;
}

/** A ValueInfoProto: a name and the shape of its tensor. */
export function readInput(info: ProtoReader): OnnxInput {
  let name = "";
  const shape: (number | undefined)[] = [];
  while (info.next()) {
    if (info.field === 1) name = info.text();
    // TypeProto, Tensor, TensorShapeProto, Dimension
    else if (info.field === 2) {
      within(info.message(), 1, (tensor) =>
        within(tensor, 2, (dims) =>
          within(dims, 1, (dim) => {
            let extent: number | undefined;
            while (dim.next()) {
              if (dim.field === 1) extent = signed(dim);
              else dim.skip();
            }
            if (shape.push(extent) > 64) info.fail(`the input ${shownName(name)} has more than 64 axes`);
          }),
        ),
      );
    } else info.skip();
  }
  return { name, shape };
}

function within(message: ProtoReader, field: number, read: (inner: ProtoReader) => void): void {
  while (message.next()) {
    if (message.field === field && message.wire === WireType.LengthDelimited) read(message.message());
    else message.skip();
  }
}
