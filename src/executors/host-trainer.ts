/** The optimiser for engines that have none of their own: in TypeScript, over the weights' own arrays. */

import type { Graph } from "../ir/graph.ts";
import { allFinite, copyOf, type Tensor, type TensorData } from "../tensor.ts";
import type { CompileOptions, Executable, SgdRule, Stepped, Trainer, TrainingOptions, Weights } from "./executor.ts";
import { Uses } from "./uses.ts";

type Tensors = ReadonlyMap<string, Tensor>;

/** What also lends its outputs: gradients are as large as the weights, and need not be copied to be read once. */
export interface Lender extends Executable {
  /** As `run`, but the outputs may be read in `read` only: the next run, which waits for it, writes over them. */
  lend<T>(inputs: Tensors, read: (outputs: Tensors) => T): Promise<T>;
}

/** @throws SenetError as `Executor.compile` */
export async function hostTrainer(
  compile: (graph: Graph, weights: Weights, options: CompileOptions) => Promise<Lender>,
  graph: Graph,
  weights: Weights,
  sgd: SgdRule,
  options: TrainingOptions = {},
): Promise<Trainer> {
  return new HostTrainer(graph.name, await compile(graph, weights, { ...options, weights: "live" }), weights, sgd);
}

class HostTrainer implements Trainer {
  readonly #uses: Uses;
  readonly #executable: Lender;
  readonly #weights: Weights;
  readonly #sgd: SgdRule;
  readonly #gradients: ReadonlySet<string>;

  constructor(name: string, executable: Lender, weights: Weights, sgd: SgdRule) {
    this.#uses = new Uses(name);
    this.#executable = executable;
    this.#weights = weights;
    this.#sgd = sgd;
    this.#gradients = new Set(sgd.learnt.map(({ gradient }) => gradient));
  }

  step(inputs: Tensors, rate: number): Promise<Stepped> {
    return this.#uses.inTurn(() => this.#executable.lend(inputs, (outputs) => this.#learn(outputs, rate)));
  }

  /** The weights are where they belong once no step is under way. */
  synchronise(): Promise<void> {
    return this.#uses.inTurn(() => {});
  }

  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#executable.dispose());
  }

  #learn(all: Tensors, rate: number): Stepped {
    const finite = [...all.values()].every(allFinite);
    const start = performance.now();
    if (finite) this.#update(all, rate);
    const optimiserMilliseconds = performance.now() - start;
    const outputs = new Map<string, Tensor>();
    for (const [name, value] of all) if (!this.#gradients.has(name)) outputs.set(name, copyOf(value));
    return { outputs, finite, optimiserMilliseconds };
  }

  #update(outputs: Tensors, rate: number): void {
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
