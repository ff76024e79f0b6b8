/** Training on engines without an optimiser of their own: the update runs in TypeScript, on the weights' arrays. */

import { asyncDispose } from "../disposal.ts";
import type { Graph } from "../ir/graph.ts";
import { HostUpdate } from "../optim/host.ts";
import type { Learnt, UpdateRule } from "../optim/rule.ts";
import { allFinite, copyOf, scaleInPlace, sizeOf, type Tensor, type TensorData, zeros } from "../tensor.ts";
import type {
  CompileOptions,
  Executable,
  Running,
  Trainer,
  TrainingOptions,
  UpdateOptions,
  Weights,
} from "./executor.ts";
import { Uses } from "./uses.ts";

type Tensors = ReadonlyMap<string, Tensor>;

/** An executable that can lend its outputs: gradients are as large as the weights, and need not be copied. */
export interface Lender extends Executable {
  /** As `run`, but the outputs belong to the engine: the next run overwrites them. */
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
  /** Collects gradients in one array; only for callers with `onGradient`. */
  readonly #together: Together | undefined;
  /** Gradients by output name: lent by the last run, or copied from it. */
  #gradients: Tensors = new Map();

  constructor(name: string, executable: Lender, weights: Weights, rule: UpdateRule, options: TrainingOptions) {
    this.#uses = new Uses(name);
    this.#executable = executable;
    this.#weights = weights;
    this.#rule = rule;
    this.#optimiser = new HostUpdate(rule);
    this.#onGradient = options.onGradient;
    this.#names = new Set(rule.learnt.map(({ gradient }) => gradient));
    if (options.onGradient !== undefined) this.#together = together(rule.learnt);
  }

  get gradientData(): readonly TensorData[] {
    if (this.#together !== undefined) return [this.#together.whole];
    return [...this.#gradients.values()].map(({ data }) => data);
  }

  gradients(inputs: Tensors, options?: Running): Promise<Tensors> {
    return this.#uses.inTurn(async () => {
      const all = await this.#executable.lend(inputs, options);
      this.#gradients = this.#together?.parts ?? new Map([...all].filter(([name]) => this.#names.has(name)));
      // The last layer's gradient is final first.
      for (const { parameter, gradient } of this.#rule.learnt.toReversed()) {
        const { data } = this.#gradients.get(gradient)!;
        if (this.#together !== undefined) data.set(all.get(gradient)!.data);
        this.#onGradient?.(parameter.name, data);
      }
      const outputs = [...all].filter(([name]) => !this.#names.has(name));
      return new Map(outputs.map(([name, value]) => [name, copyOf(value)]));
    });
  }

  areFinite(): Promise<boolean> {
    return this.#uses.inTurn(() => this.gradientData.every((data) => allFinite({ data })));
  }

  update({ scale = 1, ...step }: UpdateOptions): Promise<void> {
    return this.#uses.inTurn(() => {
      if (scale !== 1) for (const data of this.gradientData) scaleInPlace(data, scale);
      this.#optimiser.run(this.#weights, this.#gradients, step);
    });
  }

  /** The weights are always in their arrays, once no step is under way. */
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

/** All gradients in one array, the last layer's first. */
interface Together {
  readonly whole: TensorData;
  /** By output name. */
  readonly parts: Tensors;
}

function together(learnt: readonly Learnt[]): Together {
  const sizes = learnt.map(({ parameter }) => sizeOf(parameter.type.shape));
  const dtype = learnt[0]?.parameter.type.dtype ?? "float32";
  const { data: whole } = zeros(dtype, [sizes.reduce((sum, size) => sum + size, 0)]);
  let end = whole.length;
  const parts = learnt.map(({ gradient, parameter }, i) => {
    const data = whole.subarray(end - sizes[i]!, end);
    end -= sizes[i]!;
    return [gradient, { ...parameter.type, data }] as const;
  });
  return { whole, parts: new Map(parts) };
}
