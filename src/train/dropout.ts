/** What dropout and stochastic depth keep, drawn anew for each step and fed to the graph. */

import { placeOf, type Share } from "../data/epoch.ts";
import type { Graph } from "../ir/graph.ts";
import { createRandom } from "../random.ts";
import { sizeOf, type Tensor, zeros } from "../tensor.ts";

/** Keeps these draws apart from those of the loader and of the initial weights, which have other second keys. */
const stream = 0x64726f70;

export class Dropout {
  readonly #seed: number;
  readonly #share: Share;
  /** By the name of the graph's input; none in a graph without dropout. */
  readonly #keeps = new Map<string, { readonly rate: number; readonly byRow: boolean; readonly keep: Tensor }>();

  /** @param share whose part of the whole batch the graph is for */
  constructor(graph: Graph, seed: number, share: Share = { rank: 0, count: 1 }) {
    this.#seed = seed;
    this.#share = share;
    for (const { op, inputs, attrs } of graph.nodes) {
      if (op !== "dropout") continue;
      const { name, type } = inputs[1]!;
      // In the order of the graph; of the gradient it is the same input once more.
      if (this.#keeps.has(name)) continue;
      const { rate, byRow = false } = attrs;
      this.#keeps.set(name, { rate, byRow, keep: zeros(type.dtype, type.shape) });
    }
  }

  /**
   * Adds this step's draw to a graph's inputs: 0 with probability `rate`, else 1 / (1 − rate), so that the mean stays.
   * @param step counted over the whole run, so that a resumed run draws what it would have
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
      // Those of the others are drawn as well, so that all ranks together have what one process has.
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
