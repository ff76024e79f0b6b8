/** The optimiser for engines that have none of their own: in TypeScript, over the weights' own arrays. */

import type { Graph } from "../ir/graph.ts";
import { allFinite, type Tensor, type TensorData } from "../tensor.ts";
import type { Executable, Executor, SgdRule, Stepped, Trainer, TrainingOptions, Weights } from "./executor.ts";

/** @throws SenetError as `Executor.compile` */
export async function hostTrainer(
  executor: Pick<Executor, "compile">,
  graph: Graph,
  weights: Weights,
  sgd: SgdRule,
  options: TrainingOptions = {},
): Promise<Trainer> {
  return new HostTrainer(await executor.compile(graph, weights, { ...options, weights: "live" }), weights, sgd);
}

class HostTrainer implements Trainer {
  readonly #executable: Executable;
  readonly #weights: Weights;
  readonly #sgd: SgdRule;

  constructor(executable: Executable, weights: Weights, sgd: SgdRule) {
    this.#executable = executable;
    this.#weights = weights;
    this.#sgd = sgd;
  }

  async step(inputs: ReadonlyMap<string, Tensor>, rate: number): Promise<Stepped> {
    const outputs = await this.#executable.run(inputs);
    const finite = [...outputs.values()].every(allFinite);
    const start = performance.now();
    if (finite) this.#update(outputs, rate);
    return { outputs, finite, optimiserMilliseconds: performance.now() - start };
  }

  async synchronise(): Promise<void> {}

  dispose(): Promise<void> {
    return this.#executable.dispose();
  }

  #update(outputs: ReadonlyMap<string, Tensor>, rate: number): void {
    const { momentum, nesterov, learnt } = this.#sgd;
    for (const { parameter, gradient, decay, velocity } of learnt) {
      const w = this.#weights.get(parameter.name)!.data;
      update(w, velocity.data, outputs.get(gradient)!.data, rate, momentum, decay, nesterov);
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
