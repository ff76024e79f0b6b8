/** One training step: from a batch to changed weights. */

import { differentiate } from "../autodiff/differentiate.ts";
import { asyncDispose } from "../disposal.ts";
import { SenetError } from "../errors.ts";
import { countCorrect } from "../evaluate/metrics.ts";
import type { Executor, PlanFacts, Trainer, TrainingOptions, UpdateOptions, Weights } from "../executors/executor.ts";
import { Uses } from "../executors/uses.ts";
import type { Graph, Type } from "../ir/graph.ts";
import type { Freezing } from "../nn/freeze.ts";
import { fromFeatures } from "../nn/from-features.ts";
import { type OptimizerState, stateOf, type UpdateRule } from "../optim/rule.ts";
import { runPasses, trainingPasses } from "../passes/index.ts";
import { recompute } from "../passes/recompute.ts";
import { synchroniseBatchNorm } from "../passes/sync-batch-norm.ts";
import { alone, averageOver, type Ranks, type Wire } from "../ranks.ts";
import { allFinite, sizeOf, type Tensor, type TensorData } from "../tensor.ts";
import { inputName, type Loss, lossGraph, type Model, targetsName } from "../zoo/index.ts";
import { Average } from "./averaging.ts";
import { weightedTargets } from "./class-weights.ts";
import { type Clipping, clip } from "./clipping.ts";
import { divergedHint, firstNonFinite } from "./diagnose.ts";
import { Dropout } from "./dropout.ts";
import { GradientExchange } from "./gradient-exchange.ts";
import { GradientSum } from "./gradient-sum.ts";
import { layerRates } from "./layer-decay.ts";
import { type LearningOptions, learningRule } from "./learning.ts";
import { hardened, labelsOf, targetsOf } from "./targets.ts";

/** Options for several processes that train one network (ranks.ts). */
export interface TogetherOptions {
  /** Default: this process is alone. */
  readonly ranks?: Ranks | undefined;
  /** The format in which gradients are sent; default: float32. */
  readonly wire?: Wire | undefined;
  /** See `ExchangeOptions`; default: 4 MiB. */
  readonly bucketBytes?: number | undefined;
  /** Normalise over the pictures of all ranks; default: each rank over its own, and running statistics are averaged. */
  readonly syncBatchNorm?: boolean | undefined;
}

export interface StepOptions extends TrainingOptions, LearningOptions, Freezing, TogetherOptions {
  /** Batch size of this rank. */
  readonly batchSize: number;
  readonly imageSize: number;
  /** Batches hold features of pictures (`featuresIn`) instead of pictures, and only the head learns. */
  readonly onFeatures?: boolean | undefined;
  /** Default: softmax cross-entropy. */
  readonly loss?: Loss;
  /** Label smoothing, for targets given as labels; default 0. */
  readonly labelSmoothing?: number;
  /** Targets above this become 1, the others 0 (binary cross-entropy); default: unchanged. */
  readonly targetThreshold?: number | undefined;
  /** Factor on the learning rate from each block to the one before it (layer-decay.ts); default: none. */
  readonly layerDecay?: number | undefined;
  /** Weight of each class in the loss, by index; default: equal weights. */
  readonly classWeights?: readonly number[] | undefined;
  /** Clipping of a whole step's gradients; default: none. */
  readonly clipping?: Clipping | undefined;
  /**
   * Update batch norm's running statistics a second time after the weights, by another pass over the same batch. Only
   * for whole batches in one process.
   */
  readonly movesStatisticsTwice?: boolean;
  /**
   * Stochastic depth (nn/drop-path.ts): probability of dropping the last residual block's branch for a picture; default
   * 0.
   */
  readonly dropPath?: number | undefined;
  /** Seed of dropout and stochastic depth; default 0. */
  readonly seed?: number;
  /** Recompute the activations of blocks in the backward pass instead of keeping them (passes/recompute.ts). */
  readonly recompute?: boolean;
}

/** Bytes of gradients sent at a time, if not measured (bucket-size.ts). */
export const usualBucketBytes = 4 * 2 ** 20;

/** The position of a step in a run. */
export interface StepPosition {
  /**
   * Index of the step, from 0 over the whole run; dropout and optimisers depend on it, so that a resumed run behaves
   * the same.
   */
  readonly index: number;
  /** "epoch 3, step 17 of 147", for errors. */
  readonly where?: string;
  /**
   * Which part of the step's batch this is, from 0, and how many there are. Weights change only after the last part, by
   * the mean of the parts' gradients. Default: the whole batch.
   */
  readonly part?: number;
  readonly parts?: number;
  /** Abandons the step, if the engine can: it then rejects with the signal's reason, and the weights do not change. */
  readonly signal?: AbortSignal | undefined;
}

/** Learning rate and momentum of a step. */
export type StepRates = Pick<UpdateOptions, "rate" | "momentum">;

/** State of an earlier run, or nothing for a fresh one. The step takes the tensors over. */
export interface StepState {
  readonly optimizer?: OptimizerState;
  /** The moving average of all parameters. */
  readonly average?: Weights | undefined;
}

/** The network's result on a batch. */
export interface BatchResult {
  /** Mean loss over the batch. */
  readonly loss: number;
  /** Number of pictures whose label has the largest logit. */
  readonly correct: number;
}

export interface StepResult extends BatchResult {
  /** Time in the optimiser, plus, with several ranks, the time spent waiting for sums before it. */
  readonly optimiserMilliseconds: number;
}

/**
 * A training graph compiled with its optimiser. Between steps the engine holds the current weights: see `synchronise`.
 */
export class TrainingStep implements AsyncDisposable {
  readonly #executor: Executor;
  readonly #graph: Graph;
  readonly #trainer: Trainer;
  readonly #weights: Weights;
  readonly #rule: UpdateRule;
  readonly #dropout: Dropout;
  readonly #average: Average | undefined;
  readonly #sum = new GradientSum();
  readonly #ranks: Ranks;
  readonly #exchange: GradientExchange | undefined;
  readonly #options: Pick<
    StepOptions,
    "labelSmoothing" | "targetThreshold" | "classWeights" | "clipping" | "movesStatisticsTwice"
  >;
  /** Serialises steps: dropout's masks belong to one step at a time. */
  readonly #uses: Uses;

  private constructor(
    executor: Executor,
    graph: Graph,
    trainer: Trainer,
    weights: Weights,
    rule: UpdateRule,
    options: StepOptions,
    exchange?: GradientExchange,
    average?: Average,
  ) {
    this.#executor = executor;
    this.#graph = graph;
    this.#trainer = trainer;
    this.#weights = weights;
    this.#rule = rule;
    this.#ranks = options.ranks ?? alone;
    this.#exchange = exchange;
    this.#dropout = new Dropout(graph, options.seed ?? 0, this.#ranks);
    this.#options = options;
    this.#average = average;
    this.#uses = new Uses(graph.name);
  }

  static async create(
    executor: Executor,
    model: Model,
    weights: Weights,
    options: StepOptions,
    { optimizer, average }: StepState = {},
  ): Promise<TrainingStep> {
    const { batchSize, imageSize, loss, freeze, freezeBatchNorm, dropPath, ranks = alone } = options;
    const form = { batch: batchSize, imageSize, freeze, freezeBatchNorm, dropPath };
    const all = lossGraph(model, { ...form, ...(loss && { loss }) });
    const own = options.onFeatures === true ? fromFeatures(all, inputName) : all;
    const isAcross = options.syncBatchNorm === true && ranks.count > 1;
    const whole = isAcross ? synchroniseBatchNorm(own, ranks.count) : own;
    // Learnt or updated tensors remain the given ones; frozen ones may be folded into others.
    const { graph: forward, weights: learning } = runPasses({ graph: whole, weights }, trainingPasses);
    // The gradient of the mean over all ranks.
    const gradients = differentiate(forward, { incoming: 1 / ranks.count });
    const graph = options.recompute === true ? recompute(gradients, forward) : gradients;
    const { rateOf = options.layerDecay === undefined ? undefined : layerRates(forward, options.layerDecay) } = options;
    const rule = learningRule(graph, { ...options, rateOf }, { optimizer, average });
    const { wire = "float32", bucketBytes = usualBucketBytes } = options;
    const exchange = ranks.count === 1 ? undefined : new GradientExchange({ ranks, wire, bucketBytes });
    const trainer: Trainer = await executor.compileTraining(graph, learning, rule, {
      ...options,
      ...(exchange && {
        onGradient: (_, data) => exchange.final(data, trainer.gradientData[0]!),
        sumOverRanks: (values) => ranks.sum(values),
        // Advances sums under way between two operations.
        observe: (kind, milliseconds) => {
          options.observe?.(kind, milliseconds);
          ranks.progress();
        },
      }),
    });
    const averages = options.average && new Average(options.average, graph, weights, rule, average);
    return new TrainingStep(executor, graph, trainer, learning, rule, options, exchange, averages);
  }

  /**
   * Runs a whole step, gradients and optimiser, or a part of one (`StepPosition`).
   * @param images float32 `[N,channels,S,S]`
   * @param target labels int32 `[N]`, or targets float32 `[N,classes]`
   * @param rates the learning rate, or learning rate and momentum
   * @throws SenetError `training` where the loss or a gradient is not finite; the trainable weights do not change then
   */
  run(
    images: Tensor,
    target: Tensor,
    rates: number | StepRates,
    position: StepPosition = { index: 0 },
  ): Promise<StepResult> {
    const { index, part = 0, parts = 1 } = position;
    return this.#uses.inTurn(async () => {
      if (part === 0) this.#sum.clear();
      if (part < parts - 1) {
        const batch = await this.#gradients(images, target, position);
        const start = performance.now();
        this.#sum.keep(this.gradientData);
        return { ...batch, optimiserMilliseconds: performance.now() - start };
      }
      this.#exchange?.begin(this.#sum.kept[0]);
      const { summingMilliseconds, ...batch } = await this.#gradients(images, target, position);
      const start = performance.now() - summingMilliseconds;
      // With several ranks, earlier parts were added before each gradient was sent.
      if (this.#exchange === undefined) this.#sum.addTo(this.gradientData);
      const scale = 1 / this.#sum.end();
      await this.#update({ ...(typeof rates === "number" ? { rate: rates } : rates), step: index, scale });
      // From here on the weights change, so the step is no longer abandoned.
      if (this.#options.movesStatisticsTwice === true)
        await this.#gradients(images, target, { ...position, signal: undefined });
      return { ...batch, optimiserMilliseconds: performance.now() - start };
    });
  }

  /**
   * The first half of a step. Between it and `update`, the gradients in `gradientData` can be accumulated over batches,
   * clipped, or summed over processes. They are this process's own until the next call; with several ranks they are
   * scaled so that their sum is the mean.
   * @throws SenetError as `run`
   */
  gradients(images: Tensor, target: Tensor, position: StepPosition = { index: 0 }): Promise<BatchResult> {
    return this.#uses.inTurn(async () => {
      const { loss, correct } = await this.#gradients(images, target, position);
      return { loss, correct };
    });
  }

  /** See `Trainer.gradientData`. */
  get gradientData(): readonly TensorData[] {
    return this.#trainer.gradientData;
  }

  /** The second half: the optimiser's step with the current gradients, clipped if the options say so. */
  update(options: UpdateOptions): Promise<void> {
    return this.#uses.inTurn(() => this.#update(options));
  }

  async #update(options: UpdateOptions): Promise<void> {
    const { clipping } = this.#options;
    const { scale = 1 } = options;
    const clipped = clipping === undefined ? scale : clip(this.gradientData, scale, clipping);
    await this.#trainer.update({ ...options, scale: clipped });
    this.#average?.update(options.step);
  }

  /** Computes the gradients; with several ranks also their sums, if the exchange has begun. */
  async #gradients(
    images: Tensor,
    target: Tensor,
    { index, where, part = 0, parts = 1, signal }: StepPosition,
  ): Promise<BatchResult & { readonly summingMilliseconds: number }> {
    const { labelSmoothing, targetThreshold, classWeights } = this.#options;
    const given = targetsOf(target, this.#targetType, labelSmoothing);
    const targets = targetThreshold === undefined ? given : hardened(given, targetThreshold);
    const inputs = new Map([
      [inputName, images],
      [targetsName, classWeights === undefined ? targets : weightedTargets(targets, classWeights)],
    ]);
    this.#dropout.feed(inputs, index * parts + part);
    const outputs = await this.#trainer.gradients(inputs, { signal });
    const start = performance.now();
    const isOfAll = (await this.#exchange?.finish()) === true;
    const summingMilliseconds = performance.now() - start;
    const loss = outputs.get("loss")!.data[0]!;
    const gradientIsFinite = await this.#trainer.areFinite();
    if (!gradientIsFinite || ![...outputs.values()].every(allFinite)) {
      await this.#trainer.synchronise();
      const own = await firstNonFinite(this.#executor, this.#graph, this.#weights, inputs, this.#ranks.count);
      // If a sum is not finite, it is so on all ranks.
      const culprit = isOfAll && !gradientIsFinite ? await this.#firstOfAll(own) : own;
      throw new SenetError("training", `the ${Number.isFinite(loss) ? "gradient" : "loss"} is not a finite number`, {
        ...(where !== undefined && { where }),
        expected: "finite numbers everywhere",
        found: `loss ${loss}; the first that is not finite: ${culprit ?? "no operation when run again"}`,
        hint: divergedHint,
      });
    }
    return { loss, correct: countCorrect(outputs.get("logits")!, labelsOf(target), 1), summingMilliseconds };
  }

  /** The finding of the first rank that has one. */
  async #firstOfAll(own: string | undefined): Promise<string | undefined> {
    const told = await this.#ranks.gather(new TextEncoder().encode(own ?? ""));
    const rank = told.findIndex(({ length }) => length > 0);
    return rank < 0 ? undefined : `${new TextDecoder().decode(told[rank])}, on ${this.#ranks.name(rank)}`;
  }

  get #targetType(): Type {
    return this.#graph.inputs.find(({ name }) => name === targetsName)!.type;
  }

  /** Facts about the plan, from an engine that plans steps and memory itself. */
  get plan(): PlanFacts | undefined {
    return this.#trainer.plan;
  }

  /** Describes the layout of gradients: those of two steps can be added if it is the same. */
  get gradientLayout(): string {
    const { layout = "", steps = 0 } = this.plan ?? {};
    return `${layout} ${steps}`.trim();
  }

  /** Bytes of activations and their gradients: as planned by the engine, or, if it does not say, all at once. */
  get activationBytes(): number {
    const outputs = this.#graph.nodes.flatMap((node) => node.outputs);
    return this.plan?.arenaBytes ?? outputs.reduce((sum, { type }) => sum + 4 * sizeOf(type.shape), 0);
  }

  /** The optimiser's state by slot and parameter, as of the last `synchronise`. */
  get optimizerState(): OptimizerState {
    return stateOf(this.#rule);
  }

  /** The moving average of all parameters, if one is kept, as of the last `synchronise`. */
  get average(): Weights | undefined {
    return this.#average?.values;
  }

  /**
   * Copies weights, averages and optimiser state from the engine into their arrays. Must be called before reading them,
   * by all ranks: running statistics, which differ between ranks, become their mean.
   */
  synchronise(): Promise<void> {
    return this.#uses.inTurn(async () => {
      await this.#trainer.synchronise();
      const running = [...this.#graph.updates.keys()].map(({ name }) => this.#weights.get(name)!.data);
      await averageOver(this.#ranks, [...running, ...(this.#average?.others ?? [])]);
    });
  }

  /** Waits for steps under way, then frees the memory. May be called twice. */
  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#trainer.dispose());
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
