/** Creates the training step of a configuration, and counts the steps of an epoch. */

import type { Dataset } from "../data/dataset.ts";
import { option, SenetError } from "../errors.ts";
import type { Executor, Weights } from "../executors/executor.ts";
import type { AverageConfig } from "../optim/average.ts";
import { alone } from "../ranks.ts";
import type { Model } from "../zoo/index.ts";
import type { StepForm } from "./changing-step.ts";
import { balancedWeights } from "./class-weights.ts";
import { clippingOf } from "./clipping.ts";
import { optimizerOf, type TrainingConfig } from "./config.ts";
import { type StepState, type TogetherOptions, TrainingStep } from "./step.ts";

/** The configuration of a step, and how to run it. */
export interface StepRunning extends Omit<TogetherOptions, "syncBatchNorm"> {
  readonly config: TrainingConfig;
  readonly threads?: number | undefined;
  /** Recompute activations: less memory, more time (passes/recompute.ts). */
  readonly recompute?: boolean | undefined;
  /** See `StepOptions.onFeatures`. */
  readonly onFeatures?: boolean | undefined;
  /** Is told remarks about the engine. */
  readonly say?: ((line: string) => void) | undefined;
}

/**
 * Steps in one epoch. @param where the pictures' place, for errors
 * @throws SenetError `usage` where there are fewer pictures than a batch has
 */
export function stepsIn(
  pictures: number,
  { batchSize, lastBatch }: Pick<TrainingConfig, "batchSize" | "lastBatch">,
  where: string,
): number {
  const full = Math.floor(pictures / batchSize);
  if (full > 0) return lastBatch === "keep" ? Math.ceil(pictures / batchSize) : full;
  throw new SenetError("usage", "a batch is larger than the training set", {
    where,
    expected: `at least ${batchSize} pictures`,
    found: `${pictures}`,
    hint: `${option("batchSize")} ${pictures}, or less`,
  });
}

export interface StepSubject {
  readonly model: Model;
  readonly weights: Weights;
  readonly executor: Executor;
  /** Number of pictures of each class, for class weights. */
  readonly counts: readonly number[];
  readonly average?: AverageConfig | undefined;
}

/**
 * Compiles the step that a configuration asks for.
 * @param form the part that may change from epoch to epoch
 */
export function createStep(
  options: StepRunning,
  { model, weights, executor, counts, average }: StepSubject,
  form: StepForm,
  state?: StepState,
): Promise<TrainingStep> {
  const { config, recompute = false, onFeatures, say, ranks, wire, bucketBytes } = options;
  const { seed, labelSmoothing, weightDecay, decayOn, dropPath } = config;
  const { batchSize = ownBatch(options), ...others } = form;
  return TrainingStep.create(
    executor,
    model,
    weights,
    {
      ...others,
      ...{
        labelSmoothing,
        weightDecay,
        decayOn,
        dropPath,
        seed,
        recompute,
        onFeatures,
        average,
        ranks,
        wire,
        bucketBytes,
      },
      syncBatchNorm: config.syncBn,
      batchSize,
      movesStatisticsTwice: config.runningStatistics === "twice",
      ...(config.bceLoss && { loss: "binaryCrossEntropy" }),
      clipping: clippingOf(config),
      targetThreshold: config.bceTargetThresh ?? undefined,
      optimizer: optimizerOf(config),
      freeze: config.freeze ?? undefined,
      layerDecay: config.layerDecay ?? undefined,
      classWeights: config.classWeights === "none" ? undefined : balancedWeights(counts),
      threads: options.threads,
      ...(say && { say }),
    },
    state,
  );
}

/** Number of pictures that this rank computes at a time. */
export const ownBatch = ({ config, ranks = alone }: Pick<StepRunning, "config" | "ranks">): number =>
  (config.microBatch ?? config.batchSize) / ranks.count;

/** Number of pictures of each class. */
export function countsOf({ classes, samples }: Dataset): number[] {
  const counts = classes.map(() => 0);
  for (const { label } of samples) counts[label]! += 1;
  return counts;
}
