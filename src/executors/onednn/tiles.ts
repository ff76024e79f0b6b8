/**
 * Runs an inference graph's first operations for a part of the batch at a time. There, values are large and weights
 * small: the values of a few pictures stay in the processor's last-level cache between operations, those of a whole
 * batch do not. Later weights are larger than values, and the batch shares reading them.
 */

import type { Value } from "../../ir/graph.ts";
import { resultsOf } from "../../ir/uses.ts";
import { sizeOf } from "../../tensor.ts";
import { isBatchFree } from "../batch.ts";
import type { FusedGraph, FusedNode } from "./fused.ts";
import type { ElementType } from "./spec.ts";

export interface Tiles {
  /** Number of parts of the batch. */
  readonly parts: number;
  /** The first nodes, for one part. */
  readonly nodes: readonly FusedNode[];
  /** The remaining nodes, for the batch. */
  readonly rest: readonly FusedNode[];
  /** The graph's inputs, and values of `nodes` needed elsewhere: the batch's value for each value of one part. */
  readonly entering: ReadonlyMap<Value, Value>;
  readonly leaving: ReadonlyMap<Value, Value>;
}

/** Share of the cache that the largest operation's values may take; the next one's weights need room too. */
const shareOfCache = 0.75;
/** Bytes of weights that may be read again for each part without a noticeable cost, such as those of gates. */
const smallWeights = 2 ** 18;

/**
 * @param type type of activations
 * @param cache size of the last-level cache in bytes
 * @returns `undefined` if nothing is gained
 */
export function tilesOf({ graph, nodes }: FusedGraph, type: ElementType, cache: number): Tiles | undefined {
  const batch = graph.inputs[0]?.type.shape[0];
  if (batch === undefined || !isBatchFree(graph)) return undefined;
  const constants = new Set<Value>(graph.parameters);
  for (const { kind, outputs } of nodes) if (kind === "dequantizeWeight") for (const w of outputs) constants.add(w);
  const bytesOf = (values: readonly Value[]) => values.reduce((sum, value) => sum + bytes(value, type), 0);
  const costs = nodes.map(({ inputs, sum, outputs }) => {
    const values = [...inputs, ...outputs, ...(sum === undefined ? [] : [sum])];
    return {
      weights: bytesOf(values.filter((value) => constants.has(value))),
      ofSample: bytesOf(values.filter((value) => !constants.has(value))) / batch,
      isOfPictures: outputs.every(({ type: { shape } }) => shape.length === 4),
    };
  });
  const largest = Math.max(...costs.map(({ ofSample }) => ofSample));
  const part = largestDivisor(batch, (shareOfCache * cache) / largest);
  const end = costs.findIndex(
    ({ weights, ofSample, isOfPictures }) => !isOfPictures || weights > Math.max(smallWeights, part * ofSample),
  );
  const count = end < 0 ? nodes.length : end;
  if (part === batch || count === 0) return undefined;
  return split({ graph, nodes }, count, part, batch, constants);
}

function split(
  { graph, nodes }: FusedGraph,
  count: number,
  part: number,
  batch: number,
  constants: ReadonlySet<Value>,
): Tiles {
  const stands = new Map<Value, Value>();
  const partOf = (value: Value): Value => {
    if (constants.has(value)) return value;
    let small = stands.get(value);
    if (small === undefined) {
      const { name, type } = value;
      small = { name, type: { ...type, shape: [part, ...type.shape.slice(1)] } };
      stands.set(value, small);
    }
    return small;
  };
  const first = nodes.slice(0, count).map((node) => ({
    ...node,
    inputs: node.inputs.map(partOf),
    outputs: node.outputs.map(partOf),
    sum: node.sum && partOf(node.sum),
  }));
  const rest = nodes.slice(count);
  const wanted = new Set([...rest.flatMap(({ inputs, sum }) => [...inputs, sum]), ...resultsOf(graph)]);
  const inputs = new Set(graph.inputs);
  const pairs = [...stands].map(([whole, small]) => [small, whole] as const);
  return {
    parts: batch / part,
    nodes: first,
    rest,
    entering: new Map(pairs.filter(([, whole]) => inputs.has(whole))),
    leaving: new Map(pairs.filter(([, whole]) => !inputs.has(whole) && wanted.has(whole))),
  };
}

/** The largest divisor that is not above `most`; at least 1. */
function largestDivisor(number: number, most: number): number {
  for (let divisor = Math.min(number, Math.floor(most)); divisor > 1; divisor--) {
    if (number % divisor === 0) return divisor;
  }
  return 1;
}

const elementBytes: Readonly<Record<ElementType, number>> = { f32: 4, bf16: 2, s8: 1, u8: 1 };

function bytes({ type: { dtype, shape } }: Value, activations: ElementType): number {
  if (dtype === "int8" || dtype === "uint8") return sizeOf(shape);
  return sizeOf(shape) * (shape.length === 4 ? elementBytes[activations] : 4);
}
