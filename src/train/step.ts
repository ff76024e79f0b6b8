/** One optimiser step, from a batch to changed weights. */

import { differentiate, gradientOf } from "../autodiff/differentiate.ts";
import { SenetError } from "../errors.ts";
import { countCorrect } from "../evaluate/metrics.ts";
import type { Executable, Executor, Weights } from "../executors/executor.ts";
import { type Graph, isTrainable } from "../ir/graph.ts";
import { recompute } from "../passes/recompute.ts";
import type { Tensor } from "../tensor.ts";
import { dropoutRates, inputName, labelsName, lossGraph, type Model } from "../zoo/index.ts";
import { allFinite, firstNonFinite } from "./diagnose.ts";
import { Dropout } from "./dropout.ts";
import { Sgd, type SgdConfig } from "./sgd.ts";

export interface StepOptions {
  readonly batchSize: number;
  readonly imageSize: number;
  readonly labelSmoothing: number;
  /** Seed of dropout, for the networks that have it; default 0. */
  readonly seed?: number;
  readonly sgd: SgdConfig;
  readonly threads?: number;
  /** Compute the activations of blocks again in the backward pass instead of keeping them (passes/recompute.ts). */
  readonly recompute?: boolean;
}

/** Which step of a run this is. */
export interface StepPosition {
  /** Counted from 0 over the whole run; dropout draws from it, so that a resumed run draws what it would have. */
  readonly index: number;
  /** "epoch 3, step 17 of 147", for errors. */
  readonly where?: string;
}

export interface StepResult {
  /** Mean cross-entropy over the batch. */
  readonly loss: number;
  /** Pictures whose label has the largest logit. */
  readonly correct: number;
  /** Time spent in the optimiser, of the step's whole. */
  readonly optimiserMilliseconds: number;
}

/** A training graph, compiled over live weights, with its optimiser. */
export class TrainingStep {
  readonly #executor: Executor;
  readonly #graph: Graph;
  readonly #executable: Executable;
  readonly #weights: Weights;
  readonly sgd: Sgd;
  readonly #dropout: Dropout;

  private constructor(
    executor: Executor,
    graph: Graph,
    executable: Executable,
    weights: Weights,
    sgd: Sgd,
    dropout: Dropout,
  ) {
    this.#executor = executor;
    this.#graph = graph;
    this.#executable = executable;
    this.#weights = weights;
    this.sgd = sgd;
    this.#dropout = dropout;
  }

  /** @param velocities the optimiser's state of an earlier run; fresh without */
  static async create(
    executor: Executor,
    model: Model,
    weights: Weights,
    options: StepOptions,
    velocities?: ReadonlyMap<string, Tensor>,
  ): Promise<TrainingStep> {
    const { batchSize, imageSize, labelSmoothing, threads, sgd, seed = 0 } = options;
    const forward = lossGraph(model, { batch: batchSize, imageSize, labelSmoothing });
    const gradients = differentiate(forward);
    const graph = options.recompute === true ? recompute(gradients, forward) : gradients;
    const executable = await executor.compile(graph, weights, {
      weights: "live",
      ...(threads === undefined ? {} : { threads }),
    });
    return new TrainingStep(
      executor,
      graph,
      executable,
      weights,
      new Sgd(graph, sgd, velocities),
      new Dropout(graph, dropoutRates(model), seed),
    );
  }

  /**
   * @param images float32 `[N,3,S,S]`
   * @param labels int32 `[N]`
   * @throws SenetError `training` where the loss or a gradient is not finite; the trainable weights are then as before
   */
  async run(
    images: Tensor,
    labels: Tensor,
    learningRate: number,
    position: StepPosition = { index: 0 },
  ): Promise<StepResult> {
    const { index, where } = position;
    const inputs = new Map([
      [inputName, images],
      [labelsName, labels],
    ]);
    this.#dropout.feed(inputs, index);
    const outputs = await this.#executable.run(inputs);
    const loss = outputs.get("loss")!.data[0]!;
    const gradients = this.#graph.parameters.filter(isTrainable).map(({ name }) => outputs.get(gradientOf(name))!);
    if (!Number.isFinite(loss) || !gradients.every(allFinite)) {
      const culprit = await firstNonFinite(this.#executor, this.#graph, this.#weights, inputs);
      throw new SenetError("training", `the ${Number.isFinite(loss) ? "gradient" : "loss"} is not a finite number`, {
        ...(where === undefined ? {} : { where }),
        expected: "finite numbers everywhere",
        found: `loss ${loss}; the first that is not finite: ${culprit}`,
        hint: "a lower learning rate, or a longer warm-up",
      });
    }
    const updating = performance.now();
    this.sgd.step(this.#weights, outputs, learningRate);
    const optimiserMilliseconds = performance.now() - updating;
    return { loss, correct: countCorrect(outputs.get("logits")!, labels, 1), optimiserMilliseconds };
  }

  async dispose(): Promise<void> {
    await this.#executable.dispose();
  }
}
