/** Stochastic gradient descent with momentum, in place over the weights. */

import { gradientOf } from "../autodiff/differentiate.ts";
import type { Weights } from "../executors/executor.ts";
import { type Graph, isTrainable, type Parameter } from "../ir/graph.ts";
import { type Tensor, type TensorData, zeros } from "../tensor.ts";

export interface SgdConfig {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  /** Decay biases and batch-norm parameters too; left out by default, as the authors did (architectures.md 3.1). */
  readonly decayAll: boolean;
}

/** v ← momentum · v + (g + decay · w);  w ← w − rate · v, or with Nesterov w ← w − rate · (g + decay · w + momentum · v). As PyTorch. */
export class Sgd {
  readonly config: SgdConfig;
  /** The velocity of each trainable parameter, by its name. */
  readonly velocities: ReadonlyMap<string, Tensor>;
  readonly #parameters: readonly Parameter[];

  constructor(graph: Graph, config: SgdConfig, velocities?: ReadonlyMap<string, Tensor>) {
    this.config = config;
    this.#parameters = graph.parameters.filter(isTrainable);
    this.velocities =
      velocities ?? new Map(this.#parameters.map(({ name, type }) => [name, zeros(type.dtype, type.shape)]));
  }

  /** @param outputs a run's outputs, with `gradient/NAME` for each trainable parameter */
  step(weights: Weights, outputs: ReadonlyMap<string, Tensor>, rate: number): void {
    const { momentum, nesterov, weightDecay, decayAll } = this.config;
    for (const { name, role } of this.#parameters) {
      const w = weights.get(name)!.data;
      const v = this.velocities.get(name)!.data;
      const g = outputs.get(gradientOf(name))!.data;
      const decay = role === "weight" || decayAll ? weightDecay : 0;
      update(w, v, g, rate, momentum, decay, nesterov);
    }
  }
}

function update(
  w: TensorData,
  v: TensorData,
  g: TensorData,
  rate: number,
  momentum: number,
  decay: number,
  nesterov: boolean,
): void {
  for (let i = 0; i < w.length; i++) {
    const gradient = g[i]! + decay * w[i]!;
    const velocity = momentum * v[i]! + gradient;
    v[i] = velocity;
    w[i] = w[i]! - rate * (nesterov ? gradient + momentum * velocity : velocity);
  }
}
