/**
 * Finds the structure of an imported network from its connections, never from names: its blocks (recomputed and
 * reported as units), the squeezes and gates in them, and the classifier.
 */

import type { Block, Place, Tag } from "../ir/graph.ts";
import type { LayerConfig } from "./layer.ts";

/**
 * The place of each layer, by name, if it has one.
 * @param layers topologically sorted
 * @param sizes height of each layer's value, by name
 */
export function placesOf(
  layers: readonly LayerConfig[],
  sizes: ReadonlyMap<string, number>,
): ReadonlyMap<string, Place> {
  const blocks = blocksOf(layers, sizes);
  const tags = tagsOf(layers);
  const names = new Set([...blocks.keys(), ...tags.keys()]);
  return new Map([...names].map((name) => [name, { block: blocks.get(name), tag: tags.get(name) }]));
}

type Kind = LayerConfig["kind"];
const joins: readonly Kind[] = ["add", "concat", "seScaleAdd"];
const holds = (layers: readonly LayerConfig[], kinds: readonly Kind[]) =>
  layers.some(({ kind }) => kinds.includes(kind));

/**
 * A block is a stretch with a join, between two points where only one value is alive. A gate after the join
 * (SE-Inception) and a following ReLU belong to it; a gate that follows no block is a block of its own.
 */
function blocksOf(layers: readonly LayerConfig[], sizes: ReadonlyMap<string, number>): ReadonlyMap<string, Block> {
  const blocks = new Map<string, Block>();
  /** The last block, and whether the current stretch follows it directly. */
  let last: Block | undefined;
  let isDirect = false;
  let [stage, size] = [0, Number.NaN];
  for (const stretch of stretchesOf(layers)) {
    const isGate = holds(stretch, ["seScale"]);
    const isRelu = stretch.length === 1 && stretch[0]!.kind === "relu";
    if (holds(stretch, joins) || (isGate && !isDirect)) {
      const end = stretch.findLast(({ kind }) => joins.includes(kind) || kind === "seScale")!;
      if (sizes.get(end.name) !== size) stage++;
      size = sizes.get(end.name)!;
      last = { name: end.name, stage };
      isDirect = true;
    } else isDirect &&= isGate || isRelu;
    if (isDirect) for (const { name } of stretch) blocks.set(name, last!);
  }
  return blocks;
}

/** Splits the layers after each point where only one value is still needed. */
function stretchesOf(layers: readonly LayerConfig[]): LayerConfig[][] {
  const lastUse = new Map<string, number>();
  for (const [i, { inputs }] of layers.entries()) for (const input of inputs) lastUse.set(input, i);
  const alive = new Set(lastUse.has("image") ? ["image"] : []);
  const stretches: LayerConfig[][] = [];
  let stretch: LayerConfig[] = [];
  for (const [i, layer] of layers.entries()) {
    stretch.push(layer);
    if (lastUse.has(layer.name)) alive.add(layer.name);
    for (const input of layer.inputs) if (lastUse.get(input) === i) alive.delete(input);
    if (alive.size > 1 && i < layers.length - 1) continue;
    stretches.push(stretch);
    stretch = [];
  }
  return stretches;
}

/** Layers that pass a value on without changing its meaning. */
const passing: readonly Kind[] = ["dropout", "flatten"];

function tagsOf(layers: readonly LayerConfig[]): ReadonlyMap<string, Tag> {
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const made = (layer: LayerConfig) => byName.get(layer.inputs[0]!);
  const tags = new Map<string, Tag>();
  for (const scale of layers) {
    if (scale.kind !== "seScale" && scale.kind !== "seScaleAdd") continue;
    const gate = made(scale);
    if (gate?.kind !== "sigmoid") continue;
    tags.set(gate.name, "se.gate");
    let before = made(gate);
    while (before !== undefined && before.kind !== "globalAvgPool" && before.inputs.length === 1) before = made(before);
    if (before?.kind === "globalAvgPool") tags.set(before.name, "se.squeeze");
  }
  let head = layers.at(-1);
  while (head !== undefined && passing.includes(head.kind)) head = made(head);
  if (head?.kind !== "linear") return tags;
  tags.set(head.name, "head");
  let features = made(head);
  while (features?.kind === "dropout") features = made(features);
  if (features !== undefined) tags.set(features.name, "features");
  return tags;
}
