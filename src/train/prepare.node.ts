/** What training on pictures needs before its first step, in a run as in a trial: data, engine, step and batches. */

import type { Dataset } from "../data/dataset.ts";
import type { Share } from "../data/epoch.ts";
import { Loader, type LoadingOptions } from "../data/loader.node.ts";
import { type PictureMemory, pictureMemory } from "../data/picture-memory.node.ts";
import { localData } from "../data/remote.node.ts";
import { type ListOptions, openTrainingData, type TrainingData } from "../data/split.node.ts";
import { type PrecisionChoice, type Selection, selectExecutor } from "../executors/select.node.ts";
import type { TrainingTransform } from "../images/augment.ts";
import { alone, type Ranks } from "../ranks.ts";
import type { NetworkFunction } from "../zoo/index.ts";
import type { TrainingConfig } from "./config.ts";
import { ownBatch, stepsIn } from "./create-step.ts";
import type { SourceNetwork } from "./start.ts";
import type { TogetherOptions } from "./step.ts";

export interface PrepareOptions extends ListOptions, LoadingOptions, Omit<TogetherOptions, "syncBatchNorm"> {
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
  const { valSplit, seed, batchSize, lastBatch } = options.config;
  const pictures = await localData(data, { say, signal });
  const opened = openTrainingData(pictures, { list, valList, allowMissing, valSplit, seed });
  for (const remark of opened.remarks) say?.(remark);
  const { root, samples } = opened.train;
  const stepsPerEpoch = stepsIn(samples.length, { batchSize, lastBatch }, root);
  return { ...opened, pictures, stepsPerEpoch };
}

export const trainingExecutor = ({ executor, precision, say }: PrepareOptions): Promise<Selection> =>
  selectExecutor({ name: executor, purpose: "training", precision, ...(say && { say }) });

/** Of a rank, what a thread of the loader can be told. */
const shareOf = ({ rank, count }: Ranks = alone): Share => ({ rank, count });

/** Of all pictures to train on, in batches as large as the engine takes at a time. */
export const trainingLoader = (
  options: PrepareOptions,
  train: Dataset,
  transform: TrainingTransform,
  loading: Loading,
): Loader =>
  new Loader({
    dataset: train,
    batchSize: ownBatch(options),
    share: shareOf(options.ranks),
    transform,
    seed: options.config.seed,
    shuffle: options.config.shuffle,
    repeats: Math.max(1, options.config.augRepeats),
    dropLast: options.config.lastBatch === "leave",
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
