/** Random masks for dropout and stochastic depth, drawn for each step and fed to the graph as inputs. */

import { placeOf, type Share } from "../data/epoch.ts";
import type { Graph } from "../ir/graph.ts";
import { createRandom } from "../random.ts";
import { sizeOf, type Tensor, zeros } from "../tensor.ts";

/** Second key of these draws; keeps them apart from those of the loader and of initial weights. */
const stream = 0x64726f70;

export class Dropout {
  readonly #seed: number;
  readonly #share: Share;
  /** By the name of the graph's input; empty for a graph without dropout. */
  readonly #keeps = new Map<string, { readonly rate: number; readonly byRow: boolean; readonly keep: Tensor }>();

  /** @param share the rank whose part of the batch the graph computes */
  constructor(graph: Graph, seed: number, share: Share = { rank: 0, count: 1 }) {
    this.#seed = seed;
    this.#share = share;
    for (const { op, inputs, attrs } of graph.nodes) {
      if (op !== "dropout") continue;
      const { name, type } = inputs[1]!;
      // The gradient's node uses the same input again.
      if (this.#keeps.has(name)) continue;
      const { rate, byRow = false } = attrs;
      this.#keeps.set(name, { rate, byRow, keep: zeros(type.dtype, type.shape) });
    }
  }

  /**
   * Adds this step's masks to a graph's inputs: 0 with probability `rate`, else 1 / (1 − rate), which keeps the mean.
   * @param step counted over the whole run, so that a resumed run draws the same masks
   */
  feed(inputs: Map<string, Tensor>, step: number): void {
    if (this.#keeps.size === 0) return;
    const random = createRandom(this.#seed, stream, step);
    for (const [name, { rate, byRow, keep }] of this.#keeps) {
      const [batchSize, ...rest] = keep.shape as [number, ...number[]];
      const width = sizeOf(rest);
      const alike = byRow ? width : 1;
      const rows = new Map(
        Array.from({ length: batchSize }, (_, row) => [placeOf({ share: this.#share, batchSize }, row), row]),
      );
      // The other ranks' masks are drawn too, so that all ranks together have what one process would have.
      for (let place = 0; place < batchSize * this.#share.count; place++) {
        const row = rows.get(place);
        for (let i = 0; i < width; i += alike) {
          const kept = random.uniform() < rate ? 0 : 1 / (1 - rate);
          if (row !== undefined) keep.data.fill(kept, row * width + i, row * width + i + alike);
        }
      }
      inputs.set(name, keep);
    }
  }
}
