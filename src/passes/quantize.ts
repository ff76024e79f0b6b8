/**
 * Post-training quantisation of graphs to eight bits, in QDQ form: eight-bit layers are surrounded by `quantize` and
 * `dequantize`, and the operations in between do not change (Jacob et al., arXiv 1712.05877; Nagel et al., arXiv 2106.08295).
 *
 * Weights have a scale per output channel, activations have one each, and zero is always represented exactly. If a layer's
 * input and output are in eight bits, so are the values in between: the sum with the shortcut, the gate's product, pooling.
 */

import { SenetError } from "../errors.ts";
import type { AnyNode, Graph, Node, Parameter, Value } from "../ir/graph.ts";
import type { Op } from "../ir/ops.ts";
import { GraphUses } from "../ir/uses.ts";
import { sizeOf } from "../tensor.ts";

/** Which parts of a graph are in eight bits. */
export interface Quantization {
  /** Names of the layers. */
  readonly layers: readonly string[];
  /** Scale of each activation, by the value's name; needed for the values around those layers. */
  readonly scales: Readonly<Record<string, number>>;
}

export type Layer = Node<"conv2d"> | Node<"linear">;

/**
 * The layers that can be in eight bits: convolutions and linear layers with weights of their own. Layers on a single
 * position, such as gates, stay in float32: rounding a sigmoid's argument loses more than the layer costs.
 */
export function quantizableLayers(graph: Graph): Layer[] {
  const parameters = new Set<Value>(graph.parameters);
  const uses = new GraphUses(graph);
  return graph.nodes.filter((node): node is AnyNode & Layer => {
    if (node.op !== "linear" && node.op !== "conv2d") return false;
    const [x, ...weights] = node.inputs as [Value, ...Value[]];
    const isGate = node.op === "conv2d" && sizeOf(x.type.shape.slice(2)) === 1;
    return !isGate && weights.every((w) => parameters.has(w) && uses.reads(w) === 1);
  });
}

/** A value to be quantised. */
export interface EightBitValue {
  readonly value: Value;
  /** Whether it may be negative. */
  readonly signed: boolean;
  /** The value whose scale it shares, since its elements are selected from that value's. */
  readonly sameAs?: Value;
}

/** The values to be in eight bits if these layers are, in graph order. */
export function eightBitValues(graph: Graph, layers: readonly Layer[]): EightBitValue[] {
  const uses = new GraphUses(graph);
  const wanted = new Set<Value>();
  const sameAs = new Map<Value, Value>();
  const want = (value: Value): void => {
    if (wanted.has(value)) return;
    wanted.add(value);
    const maker = uses.makerOf(value);
    const source = maker?.op === "relu" ? uses.makerOf(maker.inputs[0]!) : maker;
    if (maker?.op === "maxPool") {
      sameAs.set(value, maker.inputs[0]!);
      want(maker.inputs[0]!);
    }
    // The inputs of a sum in eight bits must be in eight bits.
    if (source?.op === "add") source.inputs.forEach(want);
    if (source?.op === "seScale" || source?.op === "seScaleAdd") source.inputs.slice(1).forEach(want);
  };
  for (const { inputs } of layers) want(inputs[0]!);
  const isNonNegative = nonNegativeValues(graph);
  const order = [...graph.inputs, ...graph.nodes.flatMap(({ outputs }) => outputs)];
  return order
    .filter((value) => wanted.has(value))
    .map((value) => {
      const source = sameAs.get(value);
      return { value, signed: !isNonNegative.has(value), ...(source && { sameAs: source }) };
    });
}

/** What these give is never negative. */
const nonNegative: ReadonlySet<Op> = new Set(["relu", "sigmoid", "softmax"]);

/** Nor is what these make of numbers that are not. */
const keepsSign: ReadonlySet<Op> = new Set([
  ...(["maxPool", "avgPool", "globalAvgPool", "flatten", "channelSlice", "concat"] as const),
  ...(["add", "seScale", "seScaleAdd"] as const),
]);

/** The values that cannot be negative, as far as operations tell: eight bits without a sign have steps half as wide. */
function nonNegativeValues({ nodes }: Graph): ReadonlySet<Value> {
  const found = new Set<Value>();
  for (const { op, inputs, outputs } of nodes) {
    if (!nonNegative.has(op) && !(keepsSign.has(op) && inputs.every((input) => found.has(input)))) continue;
    for (const output of outputs) found.add(output);
  }
  return found;
}

export const scaleName = (weight: Value): string => `${weight.name}_scale`;

/**
 * The graph with these layers in eight bits. Their weights become int8 parameters of the same name, each with a
 * parameter `NAME_scale`; layers without a bias get one.
 * @throws SenetError `graph` where a layer does not exist, or a scale is missing
 */
export function quantizedGraph(graph: Graph, { layers, scales }: Quantization): Graph {
  const possible = new Map(quantizableLayers(graph).map((layer) => [layer.name, layer]));
  const chosen = layers.map((name) => possible.get(name) ?? fail(graph, `"${name}" cannot be in eight bits`));
  const isChosen = new Set<AnyNode>(chosen as AnyNode[]);
  const values = new Map(eightBitValues(graph, chosen).map((found) => [found.value, found]));
  const parameters = new Map<Value, Parameter>(graph.parameters.map((parameter) => [parameter, parameter]));
  const added: Parameter[] = [];
  const renamed = new Map<Value, Value>();
  const nodes: AnyNode[] = [];
  const add = (node: Omit<Node, "outputs">, type: Value["type"]): Value => {
    const output = { name: node.name, type };
    nodes.push({ ...node, outputs: [output] } as unknown as AnyNode);
    return output;
  };

  const pair = (value: Value): void => {
    const found = values.get(value);
    if (found === undefined) return;
    const { signed, sameAs = value } = found;
    const scale = scales[sameAs.name] ?? fail(graph, `"${sameAs.name}" has no scale`);
    const { shape } = value.type;
    const q = { op: "quantize", name: `${value.name}.quantize`, inputs: [value], attrs: { scale, signed } } as const;
    const bits = add(q, { dtype: signed ? "int8" : "uint8", shape });
    const back = { op: "dequantize", name: `${value.name}.dequantize`, inputs: [bits], attrs: { scale } } as const;
    renamed.set(value, add(back, { dtype: "float32", shape }));
  };

  for (const input of graph.inputs) pair(input);
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((input) => renamed.get(input) ?? input);
    if (isChosen.has(node)) {
      const weight = parameters.get(inputs[1]!)!;
      const out = weight.type.shape[0]!;
      const eight: Parameter = { ...weight, type: { ...weight.type, dtype: "int8" }, frozen: true };
      const scale: Parameter = {
        name: scaleName(weight),
        type: { dtype: "float32", shape: [out] },
        role: "gamma",
        frozen: true,
      };
      parameters.set(weight, eight);
      added.push(scale);
      const name = `${weight.name}.dequantize`;
      inputs[1] = add({ op: "dequantizeWeight", name, inputs: [eight, scale], attrs: {} }, weight.type);
      if (inputs[2] === undefined) {
        const bias: Parameter = { name: biasName(node), type: scale.type, role: "bias", frozen: true };
        added.push(bias);
        inputs[2] = bias;
      }
    }
    nodes.push({ ...node, inputs } as AnyNode);
    for (const output of node.outputs) pair(output);
  }
  return { ...graph, parameters: [...parameters.values(), ...added], nodes };
}

/** Name of the bias added to a layer without one. */
export const biasName = ({ name }: Pick<AnyNode, "name">): string => `${name}.bias`;

function fail({ name }: Graph, what: string): never {
  throw new SenetError("graph", what, { where: name });
}
