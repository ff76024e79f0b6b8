/**
 * Channels between two layers that a ReLU alone separates can be scaled: what the first gives s times as large, the second
 * takes 1/s times, since relu(s · x) = s · relu(x). So scaled that both layers' weights of a channel are equally large, no
 * channel is much smaller than the others, and lost in their steps (Nagel et al., arXiv 1906.04721, section 4.1).
 */

import type { Node, Value } from "../ir/graph.ts";
import { GraphUses } from "../ir/uses.ts";
import { copyOf, type Tensor } from "../tensor.ts";
import type { Program } from "./program.ts";
import { quantizableLayers } from "./quantize.ts";

/** Neighbours of a channel that is scaled are scaled too, so that it takes several rounds. */
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
  for (let channel = 0; channel < outputs; channel++) {
    const readers = columnsOf(next, channel, second.attrs.groups);
    const given = largest(weight, channel * row, row);
    const taken = Math.max(...readers.map(({ start, length }) => largest(next, start, length)));
    // A channel that nobody gives or takes has no size.
    if (!(given > 0 && taken > 0)) continue;
    const factor = Math.sqrt(taken / given);
    scale(weight, channel * row, row, factor);
    if (bias !== undefined) bias.data[channel]! *= factor;
    for (const { start, length } of readers) scale(next, start, length, 1 / factor);
  }
}

/** Where the weights `[O, I/groups, KH, KW]` lie that read a channel. */
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
