/** One optimiser step, from a batch to changed weights. */

import { differentiate } from "../autodiff/differentiate.ts";
import { SenetError } from "../errors.ts";
import { countCorrect } from "../evaluate/metrics.ts";
import type { Executor, PlanFacts, Trainer, TrainingOptions, UpdateOptions, Weights } from "../executors/executor.ts";
import { Uses } from "../executors/uses.ts";
import type { Graph, Type } from "../ir/graph.ts";
import type { Freezing } from "../nn/freeze.ts";
import { type OptimizerState, stateOf, type UpdateRule } from "../optim/rule.ts";
import { runPasses, trainingPasses } from "../passes/index.ts";
import { recompute } from "../passes/recompute.ts";
import type { Tensor, TensorData } from "../tensor.ts";
import { inputName, type Loss, lossGraph, type Model, targetsName } from "../zoo/index.ts";
import { weightedTargets } from "./class-weights.ts";
import { divergedHint, firstNonFinite } from "./diagnose.ts";
import { Dropout } from "./dropout.ts";
import { layerRates } from "./layer-decay.ts";
import { type LearningOptions, learningRule } from "./learning.ts";
import { labelsOf, targetsOf } from "./targets.ts";

export interface StepOptions extends TrainingOptions, LearningOptions, Freezing {
  readonly batchSize: number;
  readonly imageSize: number;
  /** Default: softmax cross-entropy. */
  readonly loss?: Loss;
  /** Of targets that are given as labels; default 0. */
  readonly labelSmoothing?: number;
  /** Of the learning rate, from one block to the one before it (layer-decay.ts); default: none, all learn alike. */
  readonly layerDecay?: number | undefined;
  /** What each class weighs in the loss, by index; default: all alike. */
  readonly classWeights?: readonly number[] | undefined;
  /** Seed of dropout, for the networks that have it; default 0. */
  readonly seed?: number;
  /** Compute the activations of blocks again in the backward pass instead of keeping them (passes/recompute.ts). */
  readonly recompute?: boolean;
}

/** Which step of a run this is. */
export interface StepPosition {
  /** Counted from 0 over the whole run; dropout and optimisers go by it, so that a resumed run goes on as it would have. */
  readonly index: number;
  /** "epoch 3, step 17 of 147", for errors. */
  readonly where?: string;
}

/** What a network made of a batch. */
export interface BatchResult {
  /** The mean over the batch. */
  readonly loss: number;
  /** Pictures whose label has the largest logit. */
  readonly correct: number;
}

export interface StepResult extends BatchResult {
  /** Time spent in the optimiser, of the step's whole. */
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
  readonly #labelSmoothing: number;
  readonly #classWeights: readonly number[] | undefined;
  /** What dropout draws is one step's at a time. */
  readonly #uses: Uses;

  private constructor(
    executor: Executor,
    graph: Graph,
    trainer: Trainer,
    weights: Weights,
    rule: UpdateRule,
    dropout: Dropout,
    labelSmoothing: number,
    classWeights: readonly number[] | undefined,
  ) {
    this.#executor = executor;
    this.#graph = graph;
    this.#trainer = trainer;
    this.#weights = weights;
    this.#rule = rule;
    this.#dropout = dropout;
    this.#labelSmoothing = labelSmoothing;
    this.#classWeights = classWeights;
    this.#uses = new Uses(graph.name);
  }

  /** @param state the optimiser's, of an earlier run; fresh without */
  static async create(
    executor: Executor,
    model: Model,
    weights: Weights,
    options: StepOptions,
    state?: OptimizerState,
  ): Promise<TrainingStep> {
    const { batchSize, imageSize, loss, freeze, freezeBatchNorm, labelSmoothing = 0, seed = 0 } = options;
    const whole = lossGraph(model, { batch: batchSize, imageSize, freeze, freezeBatchNorm, ...(loss && { loss }) });
    // Tensors that are learnt or updated are the given ones; what is frozen may be folded into others.
    const { graph: forward, weights: own } = runPasses({ graph: whole, weights }, trainingPasses);
    const gradients = differentiate(forward);
    const graph = options.recompute === true ? recompute(gradients, forward) : gradients;
    const { rateOf = options.layerDecay === undefined ? undefined : layerRates(forward, options.layerDecay) } = options;
    const rule = learningRule(graph, { ...options, rateOf }, state);
    const trainer = await executor.compileTraining(graph, own, rule, options);
    return new TrainingStep(
      executor,
      graph,
      trainer,
      own,
      rule,
      new Dropout(graph, seed),
      labelSmoothing,
      options.classWeights,
    );
  }

  /**
   * A whole step: gradients, then the optimiser.
   * @param images float32 `[N,channels,S,S]`
   * @param target labels int32 `[N]`, or targets float32 `[N,classes]`
   * @throws SenetError `training` where the loss or a gradient is not finite; the trainable weights are then as before
   */
  run(
    images: Tensor,
    target: Tensor,
    learningRate: number,
    position: StepPosition = { index: 0 },
  ): Promise<StepResult> {
    return this.#uses.inTurn(async () => {
      const batch = await this.#gradients(images, target, position);
      const start = performance.now();
      await this.#trainer.update({ rate: learningRate, step: position.index });
      return { ...batch, optimiserMilliseconds: performance.now() - start };
    });
  }

  /**
   * The first half of a step. Between it and `update` gradients can be added up over several batches, clipped, or summed
   * over processes: they are in `gradientData`, until the next call.
   * @throws SenetError as `run`
   */
  gradients(images: Tensor, target: Tensor, position: StepPosition = { index: 0 }): Promise<BatchResult> {
    return this.#uses.inTurn(() => this.#gradients(images, target, position));
  }

  /** See `Trainer.gradientData`. */
  get gradientData(): readonly TensorData[] {
    return this.#trainer.gradientData;
  }

  /** The second half: the optimiser's step by the gradients as they are now. */
  update(options: UpdateOptions): Promise<void> {
    return this.#uses.inTurn(() => this.#trainer.update(options));
  }

  async #gradients(images: Tensor, target: Tensor, { index, where }: StepPosition): Promise<BatchResult> {
    const targets = targetsOf(target, this.#targetType, this.#labelSmoothing);
    const weights = this.#classWeights;
    const inputs = new Map([
      [inputName, images],
      [targetsName, weights === undefined ? targets : weightedTargets(targets, weights)],
    ]);
    this.#dropout.feed(inputs, index);
    const { outputs, finite } = await this.#trainer.gradients(inputs);
    const loss = outputs.get("loss")!.data[0]!;
    if (!finite) {
      await this.#trainer.synchronise();
      const culprit = await firstNonFinite(this.#executor, this.#graph, this.#weights, inputs);
      throw new SenetError("training", `the ${Number.isFinite(loss) ? "gradient" : "loss"} is not a finite number`, {
        ...(where === undefined ? {} : { where }),
        expected: "finite numbers everywhere",
        found: `loss ${loss}; the first that is not finite: ${culprit}`,
        hint: divergedHint,
      });
    }
    return { loss, correct: countCorrect(outputs.get("logits")!, labelsOf(target), 1) };
  }

  get #targetType(): Type {
    return this.#graph.inputs.find(({ name }) => name === targetsName)!.type;
  }

  /** Of an engine that plans steps and memory itself. */
  get plan(): PlanFacts | undefined {
    return this.#trainer.plan;
  }

  /** The optimiser's state, by slot and parameter: as it was when `synchronise` was called last. */
  get optimizerState(): OptimizerState {
    return stateOf(this.#rule);
  }

  /** Brings the weights and the optimiser's state into their arrays; to be done before anybody reads these. */
  synchronise(): Promise<void> {
    return this.#uses.inTurn(() => this.#trainer.synchronise());
  }

  /** Frees its memory, once the steps under way have ended. A second time is fine. */
  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#trainer.dispose());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
