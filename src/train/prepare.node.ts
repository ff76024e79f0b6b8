/** What training on pictures needs before its first step, in a run as in a trial: data, engine, step and batches. */

import type { Dataset } from "../data/dataset.ts";
import { Loader, type LoadingOptions } from "../data/loader.node.ts";
import { type PictureMemory, pictureMemory } from "../data/picture-memory.node.ts";
import { localData } from "../data/remote.node.ts";
import { type ListOptions, openTrainingData, type TrainingData } from "../data/split.node.ts";
import { option, SenetError } from "../errors.ts";
import type { Executor, Weights } from "../executors/executor.ts";
import { type PrecisionChoice, type Selection, selectExecutor } from "../executors/select.node.ts";
import type { TrainingTransform } from "../images/augment.ts";
import type { AverageConfig } from "../optim/average.ts";
import type { Model, NetworkFunction } from "../zoo/index.ts";
import type { StepForm } from "./changing-step.ts";
import { balancedWeights } from "./class-weights.ts";
import { clippingOf } from "./clipping.ts";
import { optimizerOf, type TrainingConfig } from "./config.ts";
import type { SourceNetwork } from "./start.ts";
import { type StepState, TrainingStep } from "./step.ts";

export interface PrepareOptions extends ListOptions, LoadingOptions {
  /**
   * A folder with `train/` and `val/`, one folder a class in each; what else `openTrainingData` opens; or addresses of
   * archives (`localData`).
   */
  readonly data: string;
  readonly config: TrainingConfig;
  /** Of a network of one's own; `config.model` is its name. */
  readonly build?: NetworkFunction | undefined;
  /** The network to begin with, where `config.weights` names one. */
  readonly source?: SourceNetwork | undefined;
  readonly executor?: string | undefined;
  readonly precision?: PrecisionChoice | undefined;
  readonly threads?: number | undefined;
  /** Less memory, more time (passes/recompute.ts). */
  readonly recompute?: boolean | undefined;
  /** Told what the user should know of the engine. */
  readonly say?: (line: string) => void;
  /**
   * Bytes for decoded pictures kept in memory, of training and validation together. By default what is available, at
   * most a quarter of it and 4 GiB.
   */
  readonly cacheBytes?: number | undefined;
  /** A folder in which decoded pictures are kept, also for other runs. */
  readonly cacheFolder?: string | undefined;
}

export interface RunData extends TrainingData {
  /** Where the pictures are, here. */
  readonly pictures: string;
  readonly stepsPerEpoch: number;
}

/** @throws SenetError `data`; `usage` where there are fewer pictures than a batch has */
export async function openRunData(options: PrepareOptions): Promise<RunData> {
  const { data, list, valList, allowMissing, say, signal } = options;
  const { valSplit, seed, batchSize } = options.config;
  const pictures = await localData(data, { say, signal });
  const opened = openTrainingData(pictures, { list, valList, allowMissing, valSplit, seed });
  for (const remark of opened.remarks) say?.(remark);
  const { root, samples } = opened.train;
  const stepsPerEpoch = Math.floor(samples.length / batchSize);
  if (stepsPerEpoch > 0) return { ...opened, pictures, stepsPerEpoch };
  throw new SenetError("usage", "a batch is larger than the training set", {
    where: root,
    expected: `at least ${batchSize} pictures`,
    found: `${samples.length}`,
    hint: `${option("batchSize")} ${samples.length}, or less`,
  });
}

export const trainingExecutor = ({ executor, precision, say }: PrepareOptions): Promise<Selection> =>
  selectExecutor({ name: executor, purpose: "training", precision, ...(say && { say }) });

export interface StepSubject {
  readonly model: Model;
  readonly weights: Weights;
  readonly executor: Executor;
  /** Whose classes are weighed. */
  readonly train: Dataset;
  readonly average?: AverageConfig | undefined;
}

/**
 * The step that a configuration asks for.
 * @param form what may change from epoch to epoch
 */
export function createStep(
  options: PrepareOptions,
  { model, weights, executor, train, average }: StepSubject,
  form: StepForm,
  state?: StepState,
): Promise<TrainingStep> {
  const { config, recompute = false, say } = options;
  const { seed, labelSmoothing, weightDecay, decayOn } = config;
  return TrainingStep.create(
    executor,
    model,
    weights,
    {
      ...form,
      ...{ labelSmoothing, weightDecay, decayOn, seed, recompute, average },
      batchSize: config.microBatch ?? config.batchSize,
      ...(config.bceLoss && { loss: "binaryCrossEntropy" }),
      clipping: clippingOf(config),
      optimizer: optimizerOf(config),
      freeze: config.freeze ?? undefined,
      layerDecay: config.layerDecay ?? undefined,
      classWeights: config.classWeights === "none" ? undefined : balancedWeights(countsOf(train)),
      ...threadsOf(options),
      ...(say && { say }),
    },
    state,
  );
}

/** How many pictures there are of each class. */
function countsOf({ classes, samples }: Dataset): number[] {
  const counts = classes.map(() => 0);
  for (const { label } of samples) counts[label]! += 1;
  return counts;
}

/** Of all pictures to train on, in batches as large as the engine takes at a time. */
export const trainingLoader = (
  options: PrepareOptions,
  train: Dataset,
  transform: TrainingTransform,
  loading: Loading,
): Loader =>
  new Loader({
    dataset: train,
    batchSize: options.config.microBatch ?? options.config.batchSize,
    transform,
    seed: options.config.seed,
    repeats: Math.max(1, options.config.augRepeats),
    dropLast: true,
    ...loading,
  });

/** What all loaders of a run have alike; what more than one of them remarks is said once. */
export function loadingOf({ workers, cacheFolder, say, onFailure }: PrepareOptions, memory: PictureMemory) {
  const remarks = new Set<string>();
  const onRemark = (remark: string) => {
    if (!remarks.has(remark)) say?.(remark);
    remarks.add(remark);
  };
  return {
    ...(workers === undefined ? {} : { workers }),
    ...{ memory, onRemark },
    ...(cacheFolder === undefined ? {} : { cacheFolder }),
    ...(onFailure === undefined ? {} : { onFailure }),
  };
}

type Loading = ReturnType<typeof loadingOf>;

/** For training and validation together. */
export function memoryOf({ cacheBytes, say }: PrepareOptions): PictureMemory {
  const memory = pictureMemory(cacheBytes);
  const granted = memory.cache.byteLength;
  if (granted < Math.floor(cacheBytes ?? 0)) {
    say?.(
      `memory for decoded pictures: ${(granted / 2 ** 30).toFixed(1)} GiB, because at most a third of the free memory may be used`,
    );
  }
  return memory;
}

export const threadsOf = ({ threads }: PrepareOptions) => (threads === undefined ? {} : { threads });
