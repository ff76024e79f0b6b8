/**
 * Reads an ONNX model: initialisers and constants as named tensors, operations, inputs and outputs.
 *
 * Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */

import type { Tensor } from "../tensor.ts";
import { type Fail, failAt, fetchAgain, shownName } from "./bytes.ts";
import { type OnnxInput, type OnnxNode, readInput, readNode } from "./onnx-graph.ts";
import { type ExternalData, readEntry, readHeader, readTensor } from "./onnx-tensor.ts";
import { ProtoReader } from "./protobuf.ts";

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

const mostInitialisers = 100_000;
/** The number in ResNet-1202 with squeeze and excitation; more would only cost time. */
const mostNodes = 8000;

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
      dtype: "int32",
      shape,
      data: Int32Array.from(values, (value) => Math.min(Math.max(value, least), most)),
    });
  }
  return undefined;
}
