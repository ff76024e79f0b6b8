/**
 * Finds where two networks start to differ: both run on the same pictures, and their layers are compared in order. They
 * may come from different programs, with different names, pre-processing and class orders.
 */

import type { Executor } from "../executors/executor.ts";
import { planesOf, preprocess } from "../images/preprocess.ts";
import { samePreprocessing } from "../images/preprocessing-facts.ts";
import type { Picture } from "../images/resize.ts";
import type { AnyNode, Graph, Value } from "../ir/graph.ts";
import type { Op } from "../ir/ops.ts";
import { createRandom } from "../random.ts";
import { type Tensor, type TensorData, tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { requireFloat32 } from "../weights/program.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { checkChannels } from "./channels.ts";

export interface Agreement {
  readonly agrees: boolean;
  /** Number of pairs of layers compared. */
  readonly layers: number;
  /** The first pair of layers whose difference exceeds the tolerance. */
  readonly first?: LayerDifference;
  /** The first network's layer from which on the second is built differently; absent: they are built alike. */
  readonly otherwiseFrom?: string;
  /** Difference of the logits, with classes in the same order, relative to the largest. */
  readonly logits: number;
  /** Other differences, one line each. */
  readonly notes: readonly string[];
}

export interface LayerDifference {
  /** The layer's name in each network. */
  readonly a: string;
  readonly b: string;
  readonly op: Op;
  /** The largest difference, relative to the layer's largest value. */
  readonly difference: number;
  /** Index of the picture with that difference. */
  readonly picture: number;
}

export interface AgreementOptions {
  /** Largest allowed difference, relative to a layer's largest value; default 1e-4. */
  readonly tolerance?: number;
}

/** Square pictures of noise. */
export function noisePictures(side: number, count = 2, seed = 1): Picture[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => ({
    width: side,
    height: side,
    data: Uint8Array.from({ length: 3 * side * side }, () => random.below(256)),
  }));
}

/**
 * Compares two networks. Each gets the pictures with its own pre-processing, at the first one's size.
 * @throws SenetError as the executor and the networks; `usage` for a network in eight bits
 */
export async function agreementOf(
  a: Checkpoint,
  b: Checkpoint,
  pictures: readonly Picture[],
  executor: Executor,
  { tolerance = 1e-4 }: AgreementOptions = {},
): Promise<Agreement> {
  for (const checkpoint of [a, b]) {
    checkChannels(checkpoint);
    requireFloat32(checkpoint, checkpoint.model.name);
  }
  const imageSize = a.preprocessing.crop;
  const graphs = [a, b].map(({ model }) => inferenceGraph(model, { batch: 1, imageSize })) as [Graph, Graph];
  const paired = pairsOf(...graphs);
  const order = orderOf(a.labels, b.labels);
  const { worst, logits } = await differencesOf([a, b], graphs, paired.pairs, order, pictures, executor);
  const { pairs, end } = paired;
  // If the structures differ, earlier layers may only look alike.
  const isSame = end !== undefined && logits <= tolerance;
  const at = isSame ? -1 : worst.findIndex(({ difference }) => !(difference <= tolerance));
  const [left, right] = pairs[at] ?? [];
  const first: LayerDifference | undefined =
    left === undefined || right === undefined
      ? undefined
      : { a: left.outputs[0]!.name, b: right.outputs[0]!.name, op: left.op, ...worst[at]! };
  const agrees = first === undefined && logits <= tolerance;
  const notes = notesOn(a, b, order, paired);
  // Not if channels or classes are in another order.
  const unseen = agrees && notes.length === 0 ? differingTensors(a, b, tolerance) : [];
  if (unseen.length > 0) {
    const count = unseen.length === 1 ? "one tensor differs" : `${unseen.length} tensors differ`;
    notes.push(`${count}, which these pictures do not show: ${unseen.slice(0, 3).join(", ")}`);
  }
  const built = end !== undefined && { otherwiseFrom: end };
  return { agrees, layers: pairs.length, ...(first && { first }), ...built, logits, notes };
}

/** What differs before any picture is computed, one line each. */
function notesOn(a: Checkpoint, b: Checkpoint, order: readonly number[] | undefined, { pairs, end }: Pairs): string[] {
  const notes: string[] = [];
  if (!samePreprocessing(a.preprocessing, b.preprocessing)) notes.push("they prepare pictures differently");
  if (a.model.classes !== b.model.classes) {
    notes.push(`they have ${a.model.classes} and ${b.model.classes} classes`);
  }
  if (order !== undefined) notes.push("their classes are in a different order, which is allowed for");
  if (end !== undefined) {
    notes.push(
      pairs.length === 0
        ? "their layers are of different kinds: only the results are compared"
        : `from ${end} on they are built differently: the layers before it and the results are compared`,
    );
  }
  return notes;
}

/** The largest difference of each pair of layers over all pictures, and of the logits. */
async function differencesOf(
  checkpoints: readonly [Checkpoint, Checkpoint],
  graphs: readonly [Graph, Graph],
  pairs: Pairs["pairs"],
  order: readonly number[] | undefined,
  pictures: readonly Picture[],
  executor: Executor,
): Promise<{ readonly worst: readonly Pick<LayerDifference, "difference" | "picture">[]; readonly logits: number }> {
  const { crop, resize } = checkpoints[0].preprocessing;
  const specs = checkpoints.map(({ preprocessing }) => ({ ...preprocessing, crop, resize }));
  const worst = pairs.map(() => ({ difference: 0, picture: 0 }));
  let logits = 0;
  const networks = await Promise.all(
    checkpoints.map(({ weights }, i) =>
      executor.compile(
        exposing(
          graphs[i]!,
          pairs.map((pair) => pair[i]!),
        ),
        weights,
      ),
    ),
  );
  try {
    for (const [picture, pixels] of pictures.entries()) {
      const [x, y] = (await Promise.all(
        networks.map((network, i) => network.run(new Map([[inputName, imageOf(pixels, specs[i]!)]]))),
      )) as [ReadonlyMap<string, Tensor>, ReadonlyMap<string, Tensor>];
      for (const i of pairs.keys()) {
        const difference = differenceOf(x.get(`${i}`)!.data, y.get(`${i}`)!.data);
        if (!(difference <= worst[i]!.difference)) worst[i] = { difference, picture };
      }
      const scores = y.get("logits")!.data;
      const sorted = order === undefined ? scores : Float32Array.from(order, (at) => scores[at]!);
      const difference = differenceOf(x.get("logits")!.data, sorted);
      if (!(difference <= logits)) logits = difference;
    }
  } finally {
    await Promise.all(networks.map((network) => network.dispose()));
  }
  return { worst, logits };
}

/**
 * Tensors with the same name and shape but different values in both, which the pictures did not reveal. Networks with
 * other names have none; neither has a pair of which only one has batch norm folded, since that changes the weights.
 */
function differingTensors(a: Checkpoint, b: Checkpoint, tolerance: number): string[] {
  const isAlike = a.weights.size === b.weights.size && [...a.weights.keys()].every((name) => b.weights.has(name));
  if (!isAlike) return [];
  return [...a.weights].flatMap(([name, { data }]) => {
    const other = b.weights.get(name);
    if (other === undefined || other.data.length !== data.length) return [];
    return differenceOf(data, other.data) <= tolerance ? [] : [name];
  });
}

function imageOf(picture: Picture, spec: Checkpoint["preprocessing"]): Tensor {
  return tensor([1, planesOf(spec), spec.crop, spec.crop], preprocess(picture, spec));
}

/** Index in `b` of each class of `a`; undefined if the order is the same, or the classes are not. */
function orderOf(a: readonly string[], b: readonly string[]): readonly number[] | undefined {
  if (a.length !== b.length || a.every((label, i) => label === b[i])) return undefined;
  const places = new Map(b.map((label, i) => [label, i]));
  const order = a.map((label) => places.get(label));
  return places.size === b.length && order.every((at) => at !== undefined) ? (order as number[]) : undefined;
}

/** Operations that every program computes separately: batch norms may be folded, sums and gates fused. */
const anchors: ReadonlySet<Op> = new Set(["relu", "sigmoid", "maxPool", "avgPool", "globalAvgPool", "concat"]);

interface Pairs {
  /** Corresponding layers. */
  readonly pairs: readonly (readonly [AnyNode, AnyNode])[];
  /** The first network's layer from which on the second is built differently. */
  readonly end?: string;
}

function pairsOf(a: Graph, b: Graph): Pairs {
  const isSame = (x: readonly AnyNode[], y: readonly AnyNode[]) =>
    x.length === y.length && x.every((node, i) => keyOf(node) === keyOf(y[i]!));
  const anchored = ({ nodes }: Graph) => nodes.filter(({ op }) => anchors.has(op));
  const [ofA, ofB] = [anchored(a), anchored(b)];
  for (const [x, y] of [
    [a.nodes, b.nodes],
    [ofA, ofB],
  ] as const) {
    if (isSame(x, y)) return { pairs: x.map((node, i) => [node, y[i]!] as const) };
  }
  const length = ofA.findIndex((node, i) => ofB[i] === undefined || keyOf(node) !== keyOf(ofB[i]));
  const end = length === -1 ? ofA.length : length;
  return {
    pairs: ofA.slice(0, end).map((node, i) => [node, ofB[i]!] as const),
    end: (ofA[end] ?? a.nodes.at(-1)!).outputs[0]!.name,
  };
}

const keyOf = ({ op, outputs }: AnyNode): string => `${op} ${outputs[0]!.type.shape.join(" ")}`;

/** The graph with the layers as outputs, named by index. */
function exposing(graph: Graph, nodes: readonly AnyNode[]): Graph {
  const layers = nodes.map((node, i): [string, Value] => [`${i}`, node.outputs[0]!]);
  return { ...graph, outputs: new Map([...graph.outputs, ...layers]) };
}

/** The largest difference relative to the largest value of both; NaN if a value is NaN. */
function differenceOf(a: TensorData, b: TensorData): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let [largest, difference] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs(a[i]!), Math.abs(b[i]!));
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!));
  }
  return difference === 0 ? 0 : difference / largest;
}
