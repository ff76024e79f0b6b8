/**
 * Transfers a trained network's weights to another network: tensors with the same name and shape are kept, all others
 * start fresh. New squeeze and excitation changes nothing at first.
 */

import { type Graph, isTrainable, type Node, type Parameter, type Value } from "../ir/graph.ts";
import { GraphUses } from "../ir/uses.ts";
import { sameShape, type Tensor, tensor } from "../tensor.ts";
import { familyOf } from "../zoo/families.ts";
import { inferenceGraph, type Model } from "../zoo/index.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { initialWeights } from "./init.ts";

/** Result of a transfer. */
export interface Transfer {
  /** Weights of the new network, copies that training may change. */
  readonly weights: Map<string, Tensor>;
  /** Parameters with the source's values, some of which are doubled (see `openGates`). */
  readonly kept: readonly string[];
  /** Parameters that start fresh, and why. */
  readonly fresh: readonly { readonly name: string; readonly why: string }[];
  /** Parameters of the source that the new network lacks. */
  readonly unused: readonly string[];
  /** Blocks whose new gates are open at first. */
  readonly opened: readonly string[];
  /** Share of the new network's values that come from the source, without the classifier; 0 to 1. */
  readonly share: number;
}

export interface TransferOptions {
  /** Class names of the new network by index; the classifier is only kept if they are the same in the same order. */
  readonly labels: readonly string[];
  readonly seed: number;
  /** Side of its pictures; default: one at which such networks can be built. */
  readonly imageSize?: number;
}

/** The same network for `classes` classes. @throws SenetError `usage` where its classifier cannot be replaced */
export function withClasses(model: Model, classes: number): Model {
  if (classes === model.classes) return model;
  const { config } = model;
  return { ...model, classes, config: familyOf(config).withClasses?.(config, classes) ?? config };
}

/** Transfers the weights of `source` to the network `model`. */
export function transfer(
  source: Pick<Checkpoint, "labels" | "weights">,
  model: Model,
  { labels, seed, imageSize = familyOf(model.config).imageSize(model.config) }: TransferOptions,
): Transfer {
  const graph = inferenceGraph(model, { batch: 1, imageSize });
  const isSame = labels.length === source.labels.length && labels.every((label, i) => label === source.labels[i]);
  const classifier = new Set(classifierOf(graph));
  const head = isSame ? new Set<string>() : classifier;
  const weights = initialWeights(graph, seed);
  const kept: string[] = [];
  const fresh: { readonly name: string; readonly why: string }[] = [];
  for (const { name, type } of graph.parameters) {
    const found = source.weights.get(name);
    if (found === undefined) fresh.push({ name, why: "the source has none" });
    else if (head.has(name)) fresh.push({ name, why: "the classes are others" });
    else if (!sameShape(found.shape, type.shape)) {
      fresh.push({ name, why: `[${type.shape.join(", ")}], and in the source [${found.shape.join(", ")}]` });
    } else {
      weights.set(name, tensor(found.shape, found.data.slice()));
      kept.push(name);
    }
  }
  const known = new Set(graph.parameters.map(({ name }) => name));
  const unused = [...source.weights.keys()].filter((name) => !known.has(name));
  const missing = new Set(fresh.filter(({ name }) => !source.weights.has(name)).map(({ name }) => name));
  const opened = openGates(graph, weights, missing);
  const body = graph.parameters.map(({ name }) => name).filter((name) => !classifier.has(name));
  const numbers = (names: readonly string[]) => names.reduce((sum, name) => sum + weights.get(name)!.data.length, 0);
  const its = new Set(kept);
  const share = body.length === 0 ? 1 : numbers(body.filter((name) => its.has(name))) / numbers(body);
  return { weights, kept, fresh, unused, opened, share };
}

/** The parameters of the layer that computes the logits. */
function classifierOf(graph: Graph): string[] {
  const logits = graph.outputs.get("logits")!;
  const uses = new GraphUses(graph);
  const parameters = new Set<Value>(graph.parameters);
  const maker = uses.maker(logits, "linear");
  const isOf = maker ?? graph.nodes.findLast(({ inputs }) => inputs.some((input) => parameters.has(input)));
  return (isOf?.inputs ?? []).filter((input) => parameters.has(input)).map(({ name }) => name);
}

/** If a branch cannot be doubled, its gate starts at sigmoid(8) = 0.9997; closer to 1 it would hardly learn. */
const wideOpen = 8;

/**
 * Makes new gates change nothing at first. A gate is a sigmoid: it is never exactly 1, and close to 1 it has almost no
 * gradient. So it starts at 1/2, where it learns fastest (its last layer is 0), and the branch is doubled, which a
 * batch norm's gamma and beta, or a convolution's weights, do without rounding. The product is the original branch, to
 * the last bit.
 * @returns the blocks where this was done
 */
function openGates(graph: Graph, weights: Map<string, Tensor>, missing: ReadonlySet<string>): string[] {
  const uses = new GraphUses(graph);
  const parameters = new Map<Value, Parameter>(graph.parameters.map((parameter) => [parameter, parameter]));
  const opened: string[] = [];
  for (const node of graph.nodes) {
    if (node.op !== "seScale" && node.op !== "seScaleAdd") continue;
    const [gate, branch] = node.inputs as [Value, Value];
    const sigmoid = uses.maker(gate, "sigmoid");
    const last = sigmoid && uses.maker(sigmoid.inputs[0]!, "conv2d");
    const [, weight, bias] = last?.inputs ?? [];
    if (weight === undefined || !missing.has(weight.name)) continue;
    const doubling = doublersOf(branch, uses, parameters, (user) => user === node || user.tag === "se.squeeze");
    if (doubling === undefined && bias === undefined) continue;
    weights.get(weight.name)!.data.fill(0);
    if (doubling === undefined) weights.get(bias!.name)!.data.fill(wideOpen);
    else {
      if (bias !== undefined) weights.get(bias.name)!.data.fill(0);
      for (const { name } of doubling) {
        const { data } = weights.get(name)!;
        for (let i = 0; i < data.length; i++) data[i]! *= 2;
      }
    }
    opened.push(node.block?.name ?? node.name);
  }
  return opened;
}

/**
 * The parameters whose doubling doubles a value and nothing else; undefined if there are none.
 * @param mayRead whether a node may read the doubled value
 */
function doublersOf(
  value: Value,
  uses: GraphUses,
  parameters: ReadonlyMap<Value, Parameter>,
  mayRead: (user: Node) => boolean,
): readonly Parameter[] | undefined {
  if (!uses.users(value).every(mayRead)) return undefined;
  /** The parameters of a layer linear in them, if nothing else uses them. */
  const ofLayer = (inputs: readonly Value[]) => {
    const own = inputs.flatMap((input) => parameters.get(input) ?? []);
    return own.every((parameter) => isTrainable(parameter) && uses.reads(parameter) === 1) ? own : undefined;
  };
  const norm = uses.maker(value, "batchNorm");
  if (norm !== undefined) return ofLayer(norm.inputs.slice(1, 3));
  const conv = uses.maker(value, "conv2d");
  if (conv !== undefined) return ofLayer(conv.inputs.slice(1));
  // ReLU and concatenation of doubled values are doubled.
  const through = uses.maker(value, "relu") ?? uses.maker(value, "concat");
  const parts = through?.inputs.map((input) => doublersOf(input, uses, parameters, (user) => user === through));
  if (parts === undefined || parts.includes(undefined)) return undefined;
  return parts.flatMap((part) => part!);
}

/** Summarises names by their first part: `layer1 (59)` says more than a list with `and 57 more`. */
function byPart(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) {
    const part = name.split(".")[0]!;
    counts.set(part, (counts.get(part) ?? 0) + 1);
  }
  return [...counts].map(([part, count]) => `${part} (${count})`).join(", ");
}

/**
 * Describes a transfer, one line per fact.
 * @param adapted kept parameters that had been adapted to other channels (`withChannels`)
 */
export function transferNotes(
  { kept: all, fresh, unused, opened }: Transfer,
  from: string,
  adapted: readonly string[] = [],
): string[] {
  const kept = all.filter((name) => !adapted.includes(name));
  const why = new Map<string, string[]>();
  for (const { name, why: reason } of fresh) why.set(reason, [...(why.get(reason) ?? []), name]);
  return [
    `${kept.length} of ${all.length + fresh.length} tensors are those of ${from}: ${byPart(kept)}`,
    ...(adapted.length === 0 ? [] : [`of ${from}, made to take other channels: ${shownNames(adapted)}`]),
    ...[...why].map(([reason, names]) => `new, since ${reason}: ${shownNames(names)}`),
    ...(unused.length === 0 ? [] : [`of ${from}, not used: ${shownNames(unused)}`]),
    ...(opened.length === 0 ? [] : [`new gates change nothing at first, in ${shownNames(opened)}`]),
  ];
}

export const shownNames = (names: readonly string[]): string =>
  names.length <= 6 ? names.join(", ") : `${names.slice(0, 5).join(", ")} and ${names.length - 5} more`;
