/** Stochastic gradient descent with momentum: which parameters are learnt, and which of them decay. */

import { gradientOf } from "../autodiff/differentiate.ts";
import type { Learnt, SgdRule } from "../executors/executor.ts";
import { type Graph, isTrainable } from "../ir/graph.ts";
import { type Tensor, zeros } from "../tensor.ts";

export interface SgdConfig {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  /** Decay biases and batch-norm parameters too; left out by default, as the authors did (docs/networks.md, 3.1). */
  readonly decayAll: boolean;
}

/** The optimiser's state and rule, which an executor carries out (`Executor.compileTraining`). */
export class Sgd implements SgdRule {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly learnt: readonly Learnt[];
  /** The velocity of each trainable parameter, by its name. */
  readonly velocities: ReadonlyMap<string, Tensor>;

  /**
   * @param graph one with an output `gradient/NAME` for each trainable parameter
   * @param velocities the state of an earlier run; fresh without
   */
  constructor(graph: Graph, config: SgdConfig, velocities?: ReadonlyMap<string, Tensor>) {
    const { momentum, nesterov, weightDecay, decayAll } = config;
    this.momentum = momentum;
    this.nesterov = nesterov;
    const parameters = graph.parameters.filter(isTrainable);
    this.velocities = velocities ?? new Map(parameters.map(({ name, type }) => [name, zeros(type.dtype, type.shape)]));
    this.learnt = parameters.map((parameter) => ({
      parameter,
      gradient: gradientOf(parameter.name),
      decay: parameter.role === "weight" || decayAll ? weightDecay : 0,
      velocity: this.velocities.get(parameter.name)!,
    }));
  }
}
