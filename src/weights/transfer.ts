/**
 * The weights of a network that has learnt before as the beginning of another: what has the same name and shape is kept, all
 * else begins anew. Where the other network has squeeze and excitation and the first has none, it changes nothing at first.
 */

import { type Graph, isTrainable, type Node, type Parameter, type Value } from "../ir/graph.ts";
import { GraphUses } from "../ir/uses.ts";
import { sameShape, type Tensor, tensor } from "../tensor.ts";
import { familyOf } from "../zoo/families.ts";
import { inferenceGraph, type Model } from "../zoo/index.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { initialWeights } from "./init.ts";

/** What became of the weights. */
export interface Transfer {
  /** Of the new network; tensors of their own, which training may change. */
  readonly weights: Map<string, Tensor>;
  /** The parameters that have the source's values; of some all numbers are doubled (see `openGates`). */
  readonly kept: readonly string[];
  /** Those that begin anew, and why. */
  readonly fresh: readonly { readonly name: string; readonly why: string }[];
  /** The source's that the new network has no place for. */
  readonly unused: readonly string[];
  /** The blocks whose new gates let everything through at first. */
  readonly opened: readonly string[];
  /** How much of the new network is the source's, 0 to 1: of its numbers, without those of the classifier. */
  readonly share: number;
}

export interface TransferOptions {
  /** Class names of the new network, by index: only the same ones in the same order keep the classifier. */
  readonly labels: readonly string[];
  readonly seed: number;
  /** The side of its pictures; default: one at which such networks can be built. */
  readonly imageSize?: number;
}

/** The same network for so many classes. @throws SenetError `usage` where its classifier cannot be exchanged */
export function withClasses(model: Model, classes: number): Model {
  if (classes === model.classes) return model;
  const { config } = model;
  return { ...model, classes, config: familyOf(config).withClasses?.(config, classes) ?? config };
}

/** The weights of `source` for the network `model`. */
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

/** The parameters of the layer that gives the logits. */
function classifierOf(graph: Graph): string[] {
  const logits = graph.outputs.get("logits")!;
  const uses = new GraphUses(graph);
  const parameters = new Set<Value>(graph.parameters);
  const maker = uses.maker(logits, "linear");
  const isOf = maker ?? graph.nodes.findLast(({ inputs }) => inputs.some((input) => parameters.has(input)));
  return (isOf?.inputs ?? []).filter((input) => parameters.has(input)).map(({ name }) => name);
}

/** Where a branch cannot be doubled, its gate begins at sigmoid(8) = 0.9997: nearer to 1 it would hardly learn any more. */
const wideOpen = 8;

/**
 * Makes the gates that the source did not have change nothing. A gate is a sigmoid and never quite 1, and where it is almost
 * 1 it has almost no gradient. So it begins at 1/2, where it learns fastest (its last layer is 0), and what it multiplies
 * is doubled: a factor of two that a batch norm's gamma and beta, or a convolution's weights, take up without rounding. The
 * product is the branch as it was, to the last bit.
 * @returns the blocks in which it was done
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
 * The parameters that double a value when they are doubled, and nothing else; undefined where there are none.
 * @param mayRead whether a node may see the value doubled
 */
function doublersOf(
  value: Value,
  uses: GraphUses,
  parameters: ReadonlyMap<Value, Parameter>,
  mayRead: (user: Node) => boolean,
): readonly Parameter[] | undefined {
  if (!uses.users(value).every(mayRead)) return undefined;
  /** The parameters of a layer that is linear in them, if nothing else has them. */
  const ofLayer = (inputs: readonly Value[]) => {
    const own = inputs.flatMap((input) => parameters.get(input) ?? []);
    return own.every((parameter) => isTrainable(parameter) && uses.reads(parameter) === 1) ? own : undefined;
  };
  const norm = uses.maker(value, "batchNorm");
  if (norm !== undefined) return ofLayer(norm.inputs.slice(1, 3));
  const conv = uses.maker(value, "conv2d");
  if (conv !== undefined) return ofLayer(conv.inputs.slice(1));
  // A ReLU, and a join, of doubled values are doubled.
  const through = uses.maker(value, "relu") ?? uses.maker(value, "concat");
  const parts = through?.inputs.map((input) => doublersOf(input, uses, parameters, (user) => user === through));
  if (parts === undefined || parts.includes(undefined)) return undefined;
  return parts.flatMap((part) => part!);
}

/** `layer1.0.conv1.weight, layer1.0.bn1.weight and 57 more` is less to read as `layer1 (59)`: names by their first part. */
export function byPart(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) {
    const part = name.split(".")[0]!;
    counts.set(part, (counts.get(part) ?? 0) + 1);
  }
  return [...counts].map(([part, count]) => `${part} (${count})`).join(", ");
}

/**
 * What became of the weights, a line each.
 * @param adapted of what was kept, what had been made to take other channels before (`withChannels`)
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

const shownNames = (names: readonly string[]): string =>
  names.length <= 6 ? names.join(", ") : `${names.slice(0, 5).join(", ")} and ${names.length - 5} more`;
