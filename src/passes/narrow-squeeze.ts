/**
 * The squeeze, read off the narrow side. A bottleneck ends with W x + b at each position, four channels out of one; the mean
 * of that is W times the mean of x, plus b. So the gate's first layer, V z + c of the mean z, is V W times the mean of x, plus
 * V b + c: a quarter of the memory to read, and a smaller matrix.
 */

import type { AnyNode, Graph, Node, Parameter, Value } from "../ir/graph.ts";
import { GraphUses } from "../ir/uses.ts";
import { shortExtent, shortPadding } from "../ir/window.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import type { Program } from "./program.ts";

/**
 * Products of V W for each value that a picture has fewer to read: with so many, some hundred pictures pay for them. In
 * SE-ResNet-50 at 224 pixels it is so in the first two stages, which have three quarters of the values.
 */
const mostProducts = 32;

/** A squeeze that can move, with the convolution before it and the layer behind it. */
interface Squeeze {
  readonly pool: Node<"globalAvgPool">;
  readonly wide: Node<"conv2d">;
  readonly layer: Node<"conv2d">;
}

/** Of a graph for inference, whose weights stay as they are; exact but for rounding. */
export function narrowSqueeze({ graph, weights }: Program): Program {
  const nodes = new Map<AnyNode, AnyNode>();
  const parameters = new Map<Value, Parameter>();
  const added: Parameter[] = [];
  const nextWeights = new Map(weights);
  for (const { pool, wide, layer } of squeezesOf({ graph, weights })) {
    const [x, w, b] = wide.inputs as [Value, Parameter, Parameter?];
    const [z, v, c] = layer.inputs as [Value, Parameter, Parameter?];
    const [batch, narrow] = x.type.shape as [number, number, number, number];
    const mean: Value = { ...z, type: { ...z.type, shape: [batch, narrow, 1, 1] } };
    const weight: Parameter = { ...v, type: { ...v.type, shape: [v.type.shape[0]!, narrow, 1, 1] } };
    parameters.set(v, weight);
    const [first, matrix] = [weights.get(v.name)!, weights.get(w.name)!];
    nextWeights.set(v.name, tensor(weight.type.shape, product(first, matrix)));
    let bias = c;
    if (b !== undefined) {
      const sums = product(first, weights.get(b.name)!);
      if (c !== undefined) for (const [i, value] of weights.get(c.name)!.data.entries()) sums[i]! += value;
      const type = { ...v.type, shape: [sums.length] };
      if (bias === undefined) {
        bias = { ...v, name: `${layer.name}.bias`, type, role: "bias" };
        added.push(bias);
      }
      nextWeights.set(bias.name, tensor(type.shape, sums));
    }
    nodes.set(pool as AnyNode, { ...pool, inputs: [x], outputs: [mean] } as AnyNode);
    nodes.set(layer as AnyNode, { ...layer, inputs: [mean, weight, ...(bias ? [bias] : [])] } as AnyNode);
  }
  const next: Graph = {
    ...graph,
    nodes: graph.nodes.map((node) => nodes.get(node) ?? node),
    parameters: [...graph.parameters.map((parameter) => parameters.get(parameter) ?? parameter), ...added],
  };
  return { graph: next, weights: nextWeights };
}

/** Those of which all weights are there, and the layer's nobody else's. */
function squeezesOf({ graph, weights }: Program): readonly Squeeze[] {
  const uses = new GraphUses(graph);
  const constants = new Set<Value>(graph.parameters.filter(({ name }) => weights.has(name)));
  return graph.nodes.flatMap((node): Squeeze[] => {
    if (node.op !== "globalAvgPool") return [];
    const wide = uses.maker(node.inputs[0]!, "conv2d");
    const layer = uses.onlyUser(node.outputs[0]!, "conv2d");
    if (wide === undefined || layer === undefined || !isPointwise(wide) || !isPointwise(layer)) return [];
    const [x, ...own] = wide.inputs as [Value, Value, Value?];
    const [z, ...firsts] = layer.inputs as [Value, Value, Value?];
    const isOwned = firsts.every((value) => value === undefined || uses.reads(value) === 1);
    if (z !== node.outputs[0] || !isOwned) return [];
    if ([...own, ...firsts].some((value) => value !== undefined && !constants.has(value))) return [];
    const saved = (sizeOf(node.inputs[0]!.type.shape) - sizeOf(x.type.shape)) / x.type.shape[0]!;
    const products = firsts[0]!.type.shape[0]! * sizeOf(own[0]!.type.shape);
    return saved > 0 && products <= mostProducts * saved ? [{ pool: node, wide, layer }] : [];
  });
}

const isPointwise = ({ inputs, attrs }: Node<"conv2d">): boolean =>
  attrs.groups === 1 &&
  shortExtent(attrs.stride) === 1 &&
  shortPadding(attrs.pad) === 0 &&
  inputs[1]!.type.shape.slice(2).every((extent) => extent === 1);

/** `[rows, inner]` times `[inner, columns]`, in double precision. */
function product(a: Tensor, b: Tensor): Float32Array | Float64Array {
  const [rows, inner] = a.shape as [number, number];
  const columns = b.data.length / inner;
  const result = a.dtype === "float64" ? new Float64Array(rows * columns) : new Float32Array(rows * columns);
  const sums = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    sums.fill(0);
    for (let k = 0; k < inner; k++) {
      const factor = a.data[i * inner + k]!;
      for (let j = 0; j < columns; j++) sums[j]! += factor * b.data[k * columns + j]!;
    }
    result.set(sums, i * columns);
  }
  return result;
}
