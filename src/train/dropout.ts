/** What dropout keeps, drawn anew for each step and fed to the graph. */

import type { Graph } from "../ir/graph.ts";
import { createRandom } from "../random.ts";
import { type Tensor, zeros } from "../tensor.ts";
import { keepName } from "../zoo/index.ts";

/** Keeps these draws apart from those of the loader and of the initial weights, which have other second keys. */
const stream = 0x64726f70;

export class Dropout {
  readonly #rate: number;
  readonly #seed: number;
  /** Absent in a graph without dropout. */
  readonly #keep: Tensor | undefined;

  /** @param rate the part of the features that is dropped */
  constructor(graph: Graph, rate: number, seed: number) {
    this.#rate = rate;
    this.#seed = seed;
    const input = graph.inputs.find(({ name }) => name === keepName);
    this.#keep = input && zeros(input.type.dtype, input.type.shape);
  }

  /**
   * Adds this step's draw to a graph's inputs: 0 with probability `rate`, else 1 / (1 − rate), so that the mean stays.
   * @param step counted over the whole run, so that a resumed run draws what it would have
   */
  feed(inputs: Map<string, Tensor>, step: number): void {
    if (this.#keep === undefined) return;
    const { data } = this.#keep;
    const random = createRandom(this.#seed, stream, step);
    for (let i = 0; i < data.length; i++) data[i] = random.uniform() < this.#rate ? 0 : 1 / (1 - this.#rate);
    inputs.set(keepName, this.#keep);
  }
}
