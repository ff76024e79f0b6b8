/** Chooses the layers that stay in float32: those that cost most individually, until the loss is within a budget. */

import type { Layer } from "../passes/quantize.ts";
import { sizeOf } from "../tensor.ts";

/** Measurements of a layer. */
export interface LayerRow {
  readonly name: string;
  readonly op: "conv2d" | "linear";
  readonly weights: number;
  /**
   * How much the network's answers change if only this layer is in eight bits: the mean Kullback-Leibler divergence
   * from float32's over pictures, in nats.
   */
  readonly divergence: number;
  readonly isFloat: boolean;
}

export interface Chosen {
  /** The layers in eight bits. */
  readonly layers: readonly Layer[];
  readonly rows: readonly LayerRow[];
  /** Increase of top-1 error over float32, in percentage points. */
  readonly loss: number;
}

/**
 * @param divergences of the layers, each alone in eight bits
 * @param budget allowed increase of top-1 error, in percentage points
 * @param lossOf measures the increase with these layers in eight bits
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
    // Doubles the number each time: one by one would take hours for a network that needs many.
    const isFloat = new Set(dearest.slice(0, kept));
    const chosen = layers.filter((layer) => !isFloat.has(layer));
    const loss = chosen.length === 0 ? 0 : await lossOf(chosen);
    if (loss > budget && chosen.length > 0) continue;
    const rows = layers.map((layer) => ({
      name: layer.name,
      op: layer.op,
      weights: sizeOf(layer.inputs[1]!.type.shape),
      divergence: costs.get(layer)!,
      isFloat: isFloat.has(layer),
    }));
    return { layers: chosen, rows, loss };
  }
}

/** Kullback-Leibler divergence of two distributions over the classes. */
export function divergenceOf(expected: ArrayLike<number>, found: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < expected.length; i++) {
    const p = expected[i]!;
    if (p > 0) sum += p * (Math.log(p) - Math.log(Math.max(found[i]!, Number.MIN_VALUE)));
  }
  // For equal ones, rounding may give slightly less than zero.
  return Math.max(0, sum);
}
