/**
 * Cross-layer equalisation (Nagel et al., arXiv 1906.04721, section 4.1). If only a ReLU separates two layers, a
 * channel between them can be scaled: s times the first layer's weights and 1/s times the second's change nothing,
 * since relu(s · x) = s · relu(x). Choosing s so that both layers' weights of a channel have the same range keeps small
 * channels from being lost in quantisation.
 */

import type { Node, Value } from "../ir/graph.ts";
import { GraphUses } from "../ir/uses.ts";
import { copyOf, type Tensor } from "../tensor.ts";
import type { Program } from "./program.ts";
import { quantizableLayers } from "./quantize.ts";
import { unused } from "./quantize-weights.ts";

/** Scaling a channel affects its neighbours, so it takes several rounds. */
const rounds = 4;

export function equalizeChannels(program: Program): Program {
  const { graph } = program;
  const uses = new GraphUses(graph);
  const isLayer = new Set<unknown>(quantizableLayers(graph));
  const pairs = graph.nodes.flatMap((node) => {
    if (node.op !== "conv2d" || !isLayer.has(node)) return [];
    const relu = uses.onlyUser(node.outputs[0]!, "relu");
    const next = relu && uses.onlyUser(relu.outputs[0]!, "conv2d");
    return next !== undefined && isLayer.has(next) ? [[node, next] as const] : [];
  });
  const weights = new Map(program.weights);
  for (const node of new Set(pairs.flat())) {
    for (const { name } of node.inputs.slice(1)) weights.set(name, copyOf(weights.get(name)!));
  }
  for (let round = 0; round < rounds; round++) for (const pair of pairs) equalize(...pair, weights);
  return { graph, weights };
}

function equalize(first: Node<"conv2d">, second: Node<"conv2d">, weights: ReadonlyMap<string, Tensor>): void {
  const [, w, b] = first.inputs as [Value, Value, Value?];
  const weight = weights.get(w.name)!;
  const bias = b && weights.get(b.name)!;
  const next = weights.get(second.inputs[1]!.name)!;
  const outputs = weight.shape[0]!;
  const row = weight.data.length / outputs;
  const least = [weight, next].map((of) => unused * largest(of, 0, of.data.length)) as [number, number];
  for (let channel = 0; channel < outputs; channel++) {
    const readers = columnsOf(next, channel, second.attrs.groups);
    const given = largest(weight, channel * row, row);
    const taken = Math.max(...readers.map(({ start, length }) => largest(next, start, length)));
    // What is out of use has no range; scaled up, its bias would be all that eight bits of the activation tell.
    if (!(given > least[0] && taken > least[1])) continue;
    const factor = Math.sqrt(taken / given);
    scale(weight, channel * row, row, factor);
    if (bias !== undefined) bias.data[channel]! *= factor;
    for (const { start, length } of readers) scale(next, start, length, 1 / factor);
  }
}

/** The positions in weights `[O, I/groups, KH, KW]` that read a channel. */
function columnsOf({ shape }: Tensor, channel: number, groups: number): { start: number; length: number }[] {
  const [outputs, inputs, height, width] = shape as [number, number, number, number];
  const length = height * width;
  const perGroup = outputs / groups;
  const firstOutput = Math.floor(channel / inputs) * perGroup;
  return Array.from({ length: perGroup }, (_, i) => ({
    start: ((firstOutput + i) * inputs + (channel % inputs)) * length,
    length,
  }));
}

function largest({ data }: Tensor, start: number, length: number): number {
  let found = 0;
  for (let i = start; i < start + length; i++) found = Math.max(found, Math.abs(data[i]!));
  return found;
}

function scale({ data }: Tensor, start: number, length: number, factor: number): void {
  for (let i = start; i < start + length; i++) data[i] = data[i]! * factor;
}
