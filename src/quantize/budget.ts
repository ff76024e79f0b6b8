/** Which layers stay in float32: those that cost most alone, until what is lost keeps within a budget. */

import type { Layer } from "../passes/quantize.ts";
import { sizeOf } from "../tensor.ts";

/** What is known of a layer. */
export interface LayerRow {
  readonly name: string;
  readonly op: "conv2d" | "linear";
  readonly weights: number;
  /**
   * What the network's answers lose where this layer alone is in eight bits: the mean over pictures of Kullback and Leibler's
   * divergence from those in float32, in nats.
   */
  readonly divergence: number;
  readonly isFloat: boolean;
}

export interface Chosen {
  /** In eight bits. */
  readonly layers: readonly Layer[];
  readonly rows: readonly LayerRow[];
  /** Points of top-1 error above float32's. */
  readonly loss: number;
}

/**
 * @param divergences of the layers, each alone in eight bits
 * @param budget points of top-1 error
 * @param lossOf points that are lost with these layers in eight bits
 */
export async function chooseLayers(
  layers: readonly Layer[],
  divergences: readonly number[],
  budget: number,
  lossOf: (layers: readonly Layer[]) => Promise<number>,
): Promise<Chosen> {
  const costs = new Map(layers.map((layer, i) => [layer, divergences[i]!]));
  const dearest = layers.toSorted((a, b) => costs.get(b)! - costs.get(a)!);
  for (let kept = 0; ; kept = Math.min(layers.length, Math.max(1, 2 * kept))) {
    // Twice as many each time: a network that needs many would take hours one by one.
    const isFloat = new Set(dearest.slice(0, kept));
    const chosen = layers.filter((layer) => !isFloat.has(layer));
    const loss = chosen.length === 0 ? 0 : await lossOf(chosen);
    if (loss > budget && chosen.length > 0) continue;
    const rows = layers.map((layer) => ({
      ...{ name: layer.name, op: layer.op, weights: sizeOf(layer.inputs[1]!.type.shape) },
      ...{ divergence: costs.get(layer)!, isFloat: isFloat.has(layer) },
    }));
    return { layers: chosen, rows, loss };
  }
}

/** Of two distributions over the classes. */
export function divergenceOf(expected: ArrayLike<number>, found: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < expected.length; i++) {
    const p = expected[i]!;
    if (p > 0) sum += p * (Math.log(p) - Math.log(Math.max(found[i]!, Number.MIN_VALUE)));
  }
  // Rounding may bring equal ones a hair below zero.
  return Math.max(0, sum);
}
