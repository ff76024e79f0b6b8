/** One optimiser step, from a batch to changed weights. */

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

/** How several processes train one network (ranks.ts). */
export interface TogetherOptions {
  /** Default: this process is alone. */
  readonly ranks?: Ranks | undefined;
  /** What gradients are sent as; default: float32. */
  readonly wire?: Wire | undefined;
  /** See `ExchangeOptions`; default: 4 MiB. */
  readonly bucketBytes?: number | undefined;
  /** Batch norm over the pictures of all ranks; default: each by its own, and the running statistics are their mean. */
  readonly syncBatchNorm?: boolean | undefined;
}

export interface StepOptions extends TrainingOptions, LearningOptions, Freezing, TogetherOptions {
  /** Of this rank. */
  readonly batchSize: number;
  readonly imageSize: number;
  /** Batches hold what the head sees of pictures (`featuresIn`), which alone learns, instead of pictures. */
  readonly onFeatures?: boolean | undefined;
  /** Default: softmax cross-entropy. */
  readonly loss?: Loss;
  /** Of targets that are given as labels; default 0. */
  readonly labelSmoothing?: number;
  /** Targets above it are 1, the others 0 (binary cross-entropy); default: as they are. */
  readonly targetThreshold?: number | undefined;
  /** Of the learning rate, from one block to the one before it (layer-decay.ts); default: none, all learn alike. */
  readonly layerDecay?: number | undefined;
  /** What each class weighs in the loss, by index; default: all alike. */
  readonly classWeights?: readonly number[] | undefined;
  /** Of the gradients of a whole step; default: none. */
  readonly clipping?: Clipping | undefined;
  /**
   * Batch norm's running statistics move again after the update, by another pass with the new weights on the same batch.
   * Of whole batches of one process.
   */
  readonly movesStatisticsTwice?: boolean;
  /** Stochastic depth: how often the last residual block's branch is left out for a picture (nn/drop-path.ts); default: never. */
  readonly dropPath?: number | undefined;
  /** Seed of dropout, for the networks that have it, and of stochastic depth; default 0. */
  readonly seed?: number;
  /** Compute the activations of blocks again in the backward pass instead of keeping them (passes/recompute.ts). */
  readonly recompute?: boolean;
}

/** Of gradients that are sent at a time, for who does not measure (bucket-size.ts). */
export const usualBucketBytes = 4 * 2 ** 20;

/** Which step of a run this is. */
export interface StepPosition {
  /** Counted from 0 over the whole run; dropout and optimisers go by it, so that a resumed run goes on as it would have. */
  readonly index: number;
  /** "epoch 3, step 17 of 147", for errors. */
  readonly where?: string;
  /**
   * Which part of the step's batch this is, from 0, and of how many: only after the last one are weights changed, by the
   * mean of the parts' gradients. Default: all of it.
   */
  readonly part?: number;
  readonly parts?: number;
  /** Gives the step up, as far as the engine can: it rejects with the reason then, and the weights are as before. */
  readonly signal?: AbortSignal | undefined;
}

/** How far a step goes. */
export type StepRates = Pick<UpdateOptions, "rate" | "momentum">;

/** What an earlier run left; fresh without. The tensors become the step's own. */
export interface StepState {
  readonly optimizer?: OptimizerState;
  /** The moving average of all parameters. */
  readonly average?: Weights | undefined;
}

/** What a network made of a batch. */
export interface BatchResult {
  /** The mean over the batch. */
  readonly loss: number;
  /** Pictures whose label has the largest logit. */
  readonly correct: number;
}

export interface StepResult extends BatchResult {
  /** Time spent in the optimiser, of the step's whole; and before it, of several ranks, on sums that were not done before. */
  readonly optimiserMilliseconds: number;
}

/** A training graph, compiled with its optimiser. Between steps the weights are the engine's: see `synchronise`. */
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
  /** What dropout draws is one step's at a time. */
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
    // Tensors that are learnt or updated are the given ones; what is frozen may be folded into others.
    const { graph: forward, weights: learning } = runPasses({ graph: whole, weights }, trainingPasses);
    // Of the mean over all ranks.
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
        // What is under way goes on between the operations.
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
   * A whole step: gradients, then the optimiser; or a part of one (`StepPosition`).
   * @param images float32 `[N,channels,S,S]`
   * @param target labels int32 `[N]`, or targets float32 `[N,classes]`
   * @param rates the learning rate, or that and the momentum
   * @throws SenetError `training` where the loss or a gradient is not finite; the trainable weights are then as before
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
      // Of several ranks each gradient had it added before it was sent.
      if (this.#exchange === undefined) this.#sum.addTo(this.gradientData);
      const scale = 1 / this.#sum.end();
      await this.#update({ ...(typeof rates === "number" ? { rate: rates } : rates), step: index, scale });
      // What has begun to change the weights is brought to its end.
      if (this.#options.movesStatisticsTwice === true)
        await this.#gradients(images, target, { ...position, signal: undefined });
      return { ...batch, optimiserMilliseconds: performance.now() - start };
    });
  }

  /**
   * The first half of a step. Between it and `update` gradients can be added up over several batches, clipped, or summed
   * over processes: they are in `gradientData`, until the next call, and are this process's own; of several ranks, so that
   * their sum is the mean.
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

  /** The second half: the optimiser's step by the gradients as they are now, clipped where the options say so. */
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

  /** Of several ranks, also their sums, where the exchange has begun. */
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
      // A sum that is not finite is so on all ranks.
      const culprit = isOfAll && !gradientIsFinite ? await this.#firstOfAll(own) : own;
      throw new SenetError("training", `the ${Number.isFinite(loss) ? "gradient" : "loss"} is not a finite number`, {
        ...(where === undefined ? {} : { where }),
        expected: "finite numbers everywhere",
        found: `loss ${loss}; the first that is not finite: ${culprit ?? "no operation when run again"}`,
        hint: divergedHint,
      });
    }
    return { loss, correct: countCorrect(outputs.get("logits")!, labelsOf(target), 1), summingMilliseconds };
  }

  /** The first rank's that has found something. */
  async #firstOfAll(own: string | undefined): Promise<string | undefined> {
    const told = await this.#ranks.gather(new TextEncoder().encode(own ?? ""));
    const rank = told.findIndex(({ length }) => length > 0);
    return rank < 0 ? undefined : `${new TextDecoder().decode(told[rank])}, on ${this.#ranks.name(rank)}`;
  }

  get #targetType(): Type {
    return this.#graph.inputs.find(({ name }) => name === targetsName)!.type;
  }

  /** Of an engine that plans steps and memory itself. */
  get plan(): PlanFacts | undefined {
    return this.#trainer.plan;
  }

  /** How gradients lie: those of two steps can be added where it is the same. */
  get gradientLayout(): string {
    const { layout = "", steps = 0 } = this.plan ?? {};
    return `${layout} ${steps}`.trim();
  }

  /** Of activations and their gradients: as the engine plans them, or all at once where it does not say. */
  get activationBytes(): number {
    const outputs = this.#graph.nodes.flatMap((node) => node.outputs);
    return this.plan?.arenaBytes ?? outputs.reduce((sum, { type }) => sum + 4 * sizeOf(type.shape), 0);
  }

  /** The optimiser's state, by slot and parameter: as it was when `synchronise` was called last. */
  get optimizerState(): OptimizerState {
    return stateOf(this.#rule);
  }

  /** The moving average of all parameters, where one is kept: as it was when `synchronise` was called last. */
  get average(): Weights | undefined {
    return this.#average?.values;
  }

  /**
   * Brings weights, averages and the optimiser's state into their arrays; to be done before anybody reads these, and by all
   * ranks: running statistics, which each has of its own pictures, become their mean.
   */
  synchronise(): Promise<void> {
    return this.#uses.inTurn(async () => {
      await this.#trainer.synchronise();
      const running = [...this.#graph.updates.keys()].map(({ name }) => this.#weights.get(name)!.data);
      await averageOver(this.#ranks, [...running, ...(this.#average?.others ?? [])]);
    });
  }

  /** Frees its memory, once the steps under way have ended. A second time is fine. */
  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#trainer.dispose());
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
