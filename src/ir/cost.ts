/**
 * The cost of a graph: parameters, multiply-adds, bytes. The paper's "GFLOPs" are multiply-adds (docs/networks.md,
 * 1.5).
 */

import { bytesPerElement, sizeOf } from "../tensor.ts";
import { type Graph, isTrainable, type Node, type Value } from "./graph.ts";
import type { Op } from "./ops.ts";

export interface NodeCost {
  /** Multiply-adds of convolutions and linear layers, as papers count them. */
  readonly multiplyAdds: number;
  /** Multiply-adds of the squeeze (one add per element) and of the scale (one multiply-add per element). */
  readonly squeezeAndScale: number;
  /** Bytes read and written if nothing is fused or cached. */
  readonly bytes: number;
}

export interface GraphCost extends NodeCost {
  /** Learnable values: weights, biases, gammas and betas. */
  readonly parameters: number;
  /** Values in a weight file: learnable ones and running statistics. */
  readonly values: number;
}

const first = (node: Node): number => sizeOf(node.outputs[0]!.type.shape);
const input = (node: Node, index: number): number => sizeOf(node.inputs[index]!.type.shape);
/** Every output position of a convolution takes one row of the weight: `size(y) · size(w) / O`. */
const perRow = (ySize: number, wSize: number, rows: number): number => (ySize / rows) * wSize;

/** Operations without multiply-adds, as papers count them. */
type Free =
  | ("channelSum" | "batchNorm" | "batchNormTraining" | "batchNormBackward" | "batchNormFrozenBackward")
  | ("runningAverage" | "relu" | "reluBackward" | "sigmoid" | "sigmoidBackward" | "silu" | "siluBackward")
  | ("mish" | "mishBackward" | "add" | "multiply" | "dropout" | "concat" | "channelSlice" | "maxPool")
  | ("maxPoolBackward" | "avgPool" | "avgPoolBackward" | "globalAvgPool" | "globalAvgPoolBackward" | "seScaleAdd")
  | ("seScale" | "seScaleBackward" | "quantize" | "dequantize" | "dequantizeWeight" | "flatten" | "flattenBackward")
  | ("softmax" | "softmaxCrossEntropy" | "softmaxCrossEntropyBackward" | "binaryCrossEntropy")
  | ("binaryCrossEntropyBackward" | "after" | "fill");

const multiplyAddRules: { readonly [K in Exclude<Op, Free>]: (node: Node<K>) => number } & {
  readonly [K in Free]?: undefined;
} = {
  conv2d: (node) => perRow(first(node), input(node, 1), node.inputs[1]!.type.shape[0]!),
  conv2dBackwardInput: (node) => perRow(input(node, 0), input(node, 1), node.inputs[1]!.type.shape[0]!),
  conv2dBackwardWeight: (node) => perRow(input(node, 1), first(node), node.attrs.weightShape[0]!),
  linear: (node) => input(node, 0) * node.inputs[1]!.type.shape[0]!,
  linearBackwardInput: (node) => first(node) * node.inputs[1]!.type.shape[0]!,
  linearBackwardWeight: (node) => first(node) * node.inputs[0]!.type.shape[0]!,
};

const bytesOf = (values: readonly Value[]): number =>
  values.reduce((sum, { type }) => sum + sizeOf(type.shape) * bytesPerElement[type.dtype], 0);

export function nodeCost<K extends Op>(node: Node<K>): NodeCost {
  const squeezes = node.tag === "se.squeeze";
  return {
    multiplyAdds: (multiplyAddRules[node.op] as ((node: Node<K>) => number) | undefined)?.(node) ?? 0,
    squeezeAndScale: squeezes ? input(node, 0) : node.op === "seScaleAdd" || node.op === "seScale" ? first(node) : 0,
    bytes: bytesOf(node.inputs) + bytesOf(node.outputs),
  };
}

/** The cost of the whole graph, for the batch size that it was built with. */
export function graphCost(graph: Graph): GraphCost {
  const total = { multiplyAdds: 0, squeezeAndScale: 0, bytes: 0, parameters: 0, values: 0 };
  for (const node of graph.nodes) {
    const cost = nodeCost(node);
    total.multiplyAdds += cost.multiplyAdds;
    total.squeezeAndScale += cost.squeezeAndScale;
    total.bytes += cost.bytes;
  }
  for (const parameter of graph.parameters) {
    const size = sizeOf(parameter.type.shape);
    total.values += size;
    if (isTrainable(parameter)) total.parameters += size;
  }
  return total;
}
