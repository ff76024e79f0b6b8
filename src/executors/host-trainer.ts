/** Training on engines that have no optimiser of their own: it runs in TypeScript, over the weights' own arrays. */

import { asyncDispose } from "../disposal.ts";
import type { Graph } from "../ir/graph.ts";
import { HostUpdate } from "../optim/host.ts";
import type { UpdateRule } from "../optim/rule.ts";
import { allFinite, copyOf, scaleInPlace, type Tensor, type TensorData } from "../tensor.ts";
import type {
  CompileOptions,
  Executable,
  Running,
  StepOutput,
  Trainer,
  TrainingOptions,
  UpdateOptions,
  Weights,
} from "./executor.ts";
import { Uses } from "./uses.ts";

type Tensors = ReadonlyMap<string, Tensor>;

/** What also lends its outputs: gradients are as large as the weights, and need not be copied to be used. */
export interface Lender extends Executable {
  /** As `run`, but the outputs are the engine's: the next run writes over them. */
  lend(inputs: Tensors, options?: Running): Promise<Tensors>;
}

/** @throws SenetError as `Executor.compile` */
export async function hostTrainer(
  compile: (graph: Graph, weights: Weights, options: CompileOptions) => Promise<Lender>,
  graph: Graph,
  weights: Weights,
  rule: UpdateRule,
  options: TrainingOptions = {},
): Promise<Trainer> {
  const executable = await compile(graph, weights, { ...options, weights: "live" });
  return new HostTrainer(graph.name, executable, weights, rule, options);
}

class HostTrainer implements Trainer {
  readonly #uses: Uses;
  readonly #executable: Lender;
  readonly #weights: Weights;
  readonly #rule: UpdateRule;
  readonly #optimiser: HostUpdate;
  readonly #onGradient: TrainingOptions["onGradient"];
  readonly #names: ReadonlySet<string>;
  /** What the last run lent: the gradients by their outputs' names. */
  #gradients: Tensors = new Map();

  constructor(name: string, executable: Lender, weights: Weights, rule: UpdateRule, options: TrainingOptions) {
    this.#uses = new Uses(name);
    this.#executable = executable;
    this.#weights = weights;
    this.#rule = rule;
    this.#optimiser = new HostUpdate(rule);
    this.#onGradient = options.onGradient;
    this.#names = new Set(rule.learnt.map(({ gradient }) => gradient));
  }

  get gradientData(): readonly TensorData[] {
    return [...this.#gradients.values()].map(({ data }) => data);
  }

  gradients(inputs: Tensors, options?: Running): Promise<StepOutput> {
    return this.#uses.inTurn(async () => {
      const all = await this.#executable.lend(inputs, options);
      this.#gradients = new Map([...all].filter(([name]) => this.#names.has(name)));
      // The last layer's gradient is there first.
      for (const { parameter, gradient } of this.#rule.learnt.toReversed()) {
        this.#onGradient?.(parameter.name, all.get(gradient)!.data);
      }
      const finite = [...all.values()].every(allFinite);
      const outputs = [...all].filter(([name]) => !this.#names.has(name));
      return { outputs: new Map(outputs.map(([name, value]) => [name, copyOf(value)])), finite };
    });
  }

  update({ scale = 1, ...step }: UpdateOptions): Promise<void> {
    return this.#uses.inTurn(() => {
      if (scale !== 1) for (const data of this.gradientData) scaleInPlace(data, scale);
      this.#optimiser.run(this.#weights, this.#gradients, step);
    });
  }

  /** The weights are where they belong once no step is under way. */
  synchronise(): Promise<void> {
    return this.#uses.inTurn(() => {});
  }

  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#executable.dispose());
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
