/**
 * The moving average of a network's parameters. The engine averages what is learnt; this class averages the running
 * statistics.
 */

import { configKey } from "../config-key.ts";
import type { Weights } from "../executors/executor.ts";
import type { Graph } from "../ir/graph.ts";
import { type AverageConfig, averageDecayAt } from "../optim/average.ts";
import { averageOf, type UpdateRule } from "../optim/rule.ts";
import * as z from "../schema.ts";
import { copyOf, type Tensor, type TensorData } from "../tensor.ts";

export const averagingKeys = {
  /** Both weights and average are validated; `best.safetensors` holds the average. */
  modelEma: configKey(z._default(z.boolean(), false), "keep a moving average of the weights, and validate and save it"),
  modelEmaDecay: configKey(
    z._default(z.number().check(z.gte(0), z.lt(1)), 0.9998),
    "decay of the average at each step",
  ),
  modelEmaWarmup: configKey(z._default(z.boolean(), false), "smaller decay in the first steps, as in timm"),
};

type AveragingConfig = z.OutputOf<typeof averagingKeys>;

/** `undefined` if no average was requested. */
export const averageConfigOf = (config: AveragingConfig): AverageConfig | undefined =>
  config.modelEma ? { decay: config.modelEmaDecay, warmup: config.modelEmaWarmup } : undefined;

/** Above this share of its first weights, an average says little about what was learnt. */
const muchOfTheFirst = 0.1;

/** What to say about an average that cannot follow the weights within a run of so many steps; `undefined`: nothing. */
export function averageNote(config: AveragingConfig, steps: number): string | undefined {
  const average = averageConfigOf(config);
  if (average === undefined || average.warmup) return undefined;
  const share = average.decay ** (steps - 1);
  if (share <= muchOfTheFirst) return undefined;
  return (
    `at the end ${(100 * share).toFixed(0)} % of the average will still be the weights of the first step: a decay of ` +
    `${average.decay} is slow for ${steps} steps, a smaller one or its warm-up is faster`
  );
}

/** The averages of all parameters of a network. Those of learnt parameters are up to date only after `synchronise`. */
export class Average {
  readonly #config: AverageConfig;
  /** Running statistics, and parameters that learnt earlier in the run, each with its average. */
  readonly #others: readonly (readonly [now: TensorData, average: TensorData])[];
  /** Parameters that have never changed are the weights' own tensors. */
  readonly values: Weights;

  /**
   * @param graph the training graph, whose parameters are learnt by `rule` or moved by the forward pass
   * @param weights of the whole network
   * @param state of an earlier run; its tensors are taken over
   */
  constructor(config: AverageConfig, graph: Graph, weights: Weights, rule: UpdateRule, state?: Weights) {
    this.#config = config;
    const learnt = averageOf(rule);
    const moved = new Set([...graph.updates.keys()].map(({ name }) => name));
    const others = new Map<string, Tensor>();
    for (const [name, weight] of weights) {
      const average = state?.get(name);
      // A batch norm that is frozen in the last epochs no longer changes, but its average still approaches it.
      const lags = average?.data.some((value, i) => value !== weight.data[i]) === true;
      if (!learnt.has(name) && (moved.has(name) || lags)) others.set(name, average ?? copyOf(weight));
    }
    this.#others = [...others].map(([name, { data }]) => [weights.get(name)!.data, data]);
    this.values = new Map([...weights, ...others, ...learnt]);
  }

  /** The averages that no engine keeps; they differ between ranks where the running statistics do. */
  get others(): readonly TensorData[] {
    return this.#others.map(([, average]) => average);
  }

  /**
   * To be called after each update.
   * @param step number of updates before it
   */
  update(step: number): void {
    const added = 1 - averageDecayAt(this.#config, step);
    for (const [now, average] of this.#others) {
      for (let i = 0; i < average.length; i++) average[i] = average[i]! + added * (now[i]! - average[i]!);
    }
  }
}
