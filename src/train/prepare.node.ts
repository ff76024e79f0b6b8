/** Prepares training on pictures, for a run or a trial: data, engine, step and batches. */

import type { Dataset } from "../data/dataset.ts";
import type { Share } from "../data/epoch.ts";
import { Loader, type LoadingOptions } from "../data/loader.node.ts";
import { type PictureMemory, pictureMemory } from "../data/picture-memory.node.ts";
import { localData } from "../data/remote.node.ts";
import { type ListOptions, openTrainingData, type TrainingData } from "../data/split.node.ts";
import { type PrecisionChoice, type Selection, selectExecutor } from "../executors/select.node.ts";
import type { TrainingTransform } from "../images/augment.ts";
import { alone, type Ranks } from "../ranks.ts";
import { gibibytes } from "../text-output.ts";
import type { NetworkFunction } from "../zoo/index.ts";
import type { TrainingConfig } from "./config.ts";
import { ownBatch, stepsIn } from "./create-step.ts";
import type { SourceNetwork } from "./start.ts";
import type { TogetherOptions } from "./step.ts";

export interface PrepareOptions extends ListOptions, LoadingOptions, Omit<TogetherOptions, "syncBatchNorm"> {
  /**
   * A folder with `train/` and `val/`, each with one subfolder per class; anything else that `openTrainingData` opens;
   * or addresses of archives (`localData`).
   */
  readonly data: string;
  readonly config: TrainingConfig;
  /** The function of the user's own network; `config.model` is its name. */
  readonly build?: NetworkFunction | undefined;
  /** The network to start from, if `config.weights` names one. */
  readonly source?: SourceNetwork | undefined;
  readonly executor?: string | undefined;
  readonly precision?: PrecisionChoice | undefined;
  readonly threads?: number | undefined;
  /** Recompute activations: less memory, more time (passes/recompute.ts). */
  readonly recompute?: boolean | undefined;
  /** Is told remarks about the engine. */
  readonly say?: (line: string) => void;
  /**
   * Bytes of memory in which to keep decoded pictures, for training and validation together; default: a quarter of what
   * is available, at most 4 GiB.
   */
  readonly cacheBytes?: number | undefined;
  /** A folder in which decoded pictures are kept for later runs too. */
  readonly cacheFolder?: string | undefined;
}

export interface RunData extends TrainingData {
  /** The pictures' path on this machine. */
  readonly pictures: string;
  readonly stepsPerEpoch: number;
}

/** Opens the run's data. @throws SenetError `data`; `usage` where there are fewer pictures than a batch has */
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

/** A rank's share, in the form that the loader's threads can be sent. */
const shareOf = ({ rank, count }: Ranks = alone): Share => ({ rank, count });

/** The loader of all training pictures, in batches as large as the engine computes at a time. */
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

/** Options that all loaders of a run share; a remark from several of them is printed once. */
export function loadingOf({ workers, cacheFolder, say, onFailure }: PrepareOptions, memory: PictureMemory) {
  const remarks = new Set<string>();
  const onRemark = (remark: string) => {
    if (!remarks.has(remark)) say?.(remark);
    remarks.add(remark);
  };
  return {
    ...(workers !== undefined && { workers }),
    memory,
    onRemark,
    ...(cacheFolder !== undefined && { cacheFolder }),
    ...(onFailure !== undefined && { onFailure }),
  };
}

type Loading = ReturnType<typeof loadingOf>;

/** Memory for decoded pictures, shared by training and validation. */
export function memoryOf({ cacheBytes, say }: PrepareOptions): PictureMemory {
  const memory = pictureMemory(cacheBytes);
  const granted = memory.cache.byteLength;
  if (granted < Math.floor(cacheBytes ?? 0)) {
    say?.(`memory for decoded pictures: ${gibibytes(granted)}, because at most a third of the free memory may be used`);
  }
  return memory;
}
