/**
 * A training run in a folder: pictures in, `best.safetensors`, `last.safetensors`, `metrics.csv`, `metrics.jsonl` and
 * `config.json` out. What stands in the folder is always whole, and a run that was stopped goes on from `last.safetensors`.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { PictureFolder } from "../data/dataset.ts";
import { type Failure, Loader } from "../data/loader.node.ts";
import { pictureMemory } from "../data/picture-memory.node.ts";
import { openTrainingFolders } from "../data/split.node.ts";
import { SenetError } from "../errors.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import { evaluateFolder } from "../evaluate/folder.node.ts";
import { type Precision, selectExecutor } from "../executors/select.node.ts";
import { makeFolder, readBytes } from "../files/files.node.ts";
import { removeLeftovers, replaceFile } from "../files/replace.node.ts";
import { standardTraining } from "../images/augment.ts";
import { imagenetPreprocessing, type Preprocessing } from "../images/preprocess.ts";
import type { Tensor } from "../tensor.ts";
import { dusted, jsonText, listed } from "../text.ts";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "../weights/checkpoint.ts";
import { initialWeights } from "../weights/init.ts";
import { lossGraph, model } from "../zoo/index.ts";
import { type TrainingConfig, trainingConfig } from "./config.ts";
import { type Progress, trainingLoop } from "./loop.ts";
import { type EpochMetrics, initialState, type TrainingState, trainingStateSchema } from "./state.ts";
import { TrainingStep } from "./step.ts";

export interface RunOptions {
  /** A folder with `train/` and `val/`, one folder a class in each. */
  readonly data: string;
  /** Where the run's files go; made when absent. */
  readonly out: string;
  readonly config: TrainingConfig;
  /** Go on from `last.safetensors` in `out`. */
  readonly resume: boolean;
  /** Start anew even where `out` holds an earlier run; its files are replaced one by one. */
  readonly fresh?: boolean;
  readonly executor?: string;
  readonly precision?: Precision;
  readonly threads?: number;
  /** Less memory, more time (passes/recompute.ts). */
  readonly recompute?: boolean;
  /** Told what the user should know of the engine. */
  readonly say?: (line: string) => void;
  readonly workers?: number;
  /**
   * Bytes for decoded pictures kept in memory, of training and validation together. By default what is available, at
   * most a quarter of it and 4 GiB.
   */
  readonly cacheBytes?: number;
  /** Told of each picture that cannot be decoded, once, when it is met. */
  readonly onFailure?: (failure: Failure) => void;
  readonly signal: AbortSignal;
  readonly onStart: (facts: RunFacts) => void;
  readonly onStep: (progress: Progress) => void;
  readonly onEpoch: (metrics: EpochMetrics, isBest: boolean) => void;
}

export interface RunFacts {
  readonly executor: string;
  readonly reason: string;
  readonly classes: number;
  readonly trainImages: number;
  readonly validationImages: number;
  readonly parameters: number;
  readonly startEpoch: number;
}

export interface RunResult {
  readonly state: TrainingState;
  /** False when `signal` stopped the run before its last epoch. */
  readonly finished: boolean;
  readonly failures: readonly Failure[];
}

export const bestFile = (out: string): string => join(out, "best.safetensors");
export const lastFile = (out: string): string => join(out, "last.safetensors");

/**
 * Trains from the start, or from where the run in `out` stopped.
 * @throws SenetError `data`, `usage`, `weights`, `training` or `io`; what was saved before stays
 */
export async function trainRun(options: RunOptions): Promise<RunResult> {
  const { config, out, signal } = options;
  const { train, val, remarks } = openTrainingFolders(options.data);
  for (const remark of remarks) options.say?.(remark);
  const stepsPerEpoch = Math.floor(train.samples.length / config.batchSize);
  if (stepsPerEpoch === 0) {
    throw new SenetError("usage", "a batch is larger than the training set", {
      where: train.root,
      expected: `at least ${config.batchSize} pictures`,
      found: `${train.samples.length}`,
      hint: `--batch-size ${train.samples.length}, or less`,
    });
  }
  const network = model(config.model, train.classes.length);
  const graph = lossGraph(network, { batch: config.batchSize, imageSize: config.imageSize });
  const { executor, reason } = await selectExecutor({
    name: options.executor,
    purpose: "training",
    precision: options.precision,
    ...(options.say === undefined ? {} : { say: options.say }),
  });
  const earlier = await openOut(options, train);
  const weights = earlier?.weights ?? initialWeights(graph, config.seed);

  const step = await TrainingStep.create(
    executor,
    network,
    weights,
    {
      batchSize: config.batchSize,
      imageSize: config.imageSize,
      labelSmoothing: config.labelSmoothing,
      seed: config.seed,
      sgd: config,
      recompute: options.recompute === true,
      ...threadsOf(options),
    },
    earlier?.velocities,
  );
  const preprocessing = preprocessingOf(config);
  const loading = {
    ...(options.workers === undefined ? {} : { workers: options.workers }),
    memory: pictureMemory(options.cacheBytes),
    ...(options.onFailure === undefined ? {} : { onFailure: options.onFailure }),
  };
  const trainLoader = new Loader({
    dataset: train,
    batchSize: config.batchSize,
    transform: {
      ...standardTraining(config.imageSize, preprocessing),
      scale: [config.cropScale, 1],
      mirror: config.mirror ? 0.5 : 0,
      interpolation: config.interpolation,
    },
    seed: config.seed,
    dropLast: true,
    ...loading,
  });
  const valLoader = new Loader({
    dataset: val,
    batchSize: config.batchSize,
    transform: { kind: "evaluate", preprocessing },
    ...loading,
  });

  const parameters = [...step.sgd.velocities.values()].reduce((sum, { data }) => sum + data.length, 0);
  const startEpoch = earlier?.state.epoch ?? 0;
  const facts = { executor: executor.name, reason, classes: train.classes.length, parameters, startEpoch };
  options.onStart({ ...facts, trainImages: train.samples.length, validationImages: val.samples.length });

  const checkpoint = { model: network, labels: train.classes, preprocessing, weights };
  const save = async (state: TrainingState, isBest: boolean): Promise<void> => {
    await step.synchronise();
    // Best first: should the run be killed in between, resuming from the older `last` makes the same `best` again.
    if (isBest) await replaceFile(bestFile(out), encodeCheckpoint(checkpoint));
    const run = { config, state, velocities: step.sgd.velocities };
    await replaceFile(lastFile(out), encodeCheckpoint({ ...checkpoint, run }));
    await writeMetrics(out, state.history);
  };
  const evaluateNow = async (): Promise<Evaluation> => {
    await step.synchronise();
    const subject = { model: network, weights, loader: valLoader, imageSize: config.imageSize };
    return evaluateFolder({ executor, ...subject, ...threadsOf(options) });
  };

  try {
    const state = await trainingLoop(
      {
        config,
        step,
        stepsPerEpoch,
        batches: (epoch, start) => trainLoader.epoch(epoch, start),
        evaluate: evaluateNow,
        onStep: options.onStep,
        onEpoch: options.onEpoch,
        save,
        signal,
      },
      earlier?.state ?? initialState,
    );
    const failures = [...trainLoader.failures, ...valLoader.failures];
    return { state, finished: state.epoch >= config.epochs, failures };
  } finally {
    await Promise.all([step.dispose(), trainLoader.dispose(), valLoader.dispose()]);
  }
}

const threadsOf = ({ threads }: RunOptions) => (threads === undefined ? {} : { threads });

/** How pictures are prepared when this run evaluates, and later whenever its weights are used. */
export function preprocessingOf(config: TrainingConfig): Preprocessing {
  return {
    ...imagenetPreprocessing,
    resize: config.evaluationResize ?? Math.round(config.imageSize / 0.875),
    crop: config.imageSize,
    interpolation: config.interpolation,
  };
}

type Earlier = Pick<Checkpoint, "weights"> & {
  readonly velocities: ReadonlyMap<string, Tensor>;
  readonly state: TrainingState;
};

/** Prepares the out folder: an empty place for a new run, or the state of the one to go on with. */
async function openOut({ out, resume, fresh, config }: RunOptions, train: PictureFolder): Promise<Earlier | undefined> {
  if (!resume) {
    if (existsSync(lastFile(out)) && fresh !== true) {
      throw new SenetError("usage", "there is a run in this folder already", {
        where: out,
        hint: "--resume to go on with it, or another --out",
      });
    }
    await makeFolder(out);
    await removeLeftovers(out);
    await replaceFile(join(out, "config.json"), [`${JSON.stringify(config, null, 2)}\n`]);
    return undefined;
  }
  const { model: saved, labels, weights, run } = await openLast(out);
  await removeLeftovers(out);
  if (labels.join("\0") !== train.classes.join("\0")) {
    throw new SenetError("weights", "the run was trained on other classes", {
      where: lastFile(out),
      expected: listed(labels),
      found: listed(train.classes),
    });
  }
  if (saved.name !== config.model) {
    throw new SenetError("weights", "the run is of another model", {
      where: lastFile(out),
      expected: config.model,
      found: saved.name,
    });
  }
  return { weights, velocities: run.velocities, state: run.state };
}

async function openLast(out: string) {
  const path = lastFile(out);
  if (!existsSync(path)) {
    throw new SenetError("usage", "there is nothing to resume", {
      where: path,
      hint: "start the run without --resume",
    });
  }
  const checkpoint = decodeCheckpoint(await readBytes(path), path);
  if (checkpoint.run === undefined)
    throw new SenetError("weights", "the file holds weights, not a run", { where: path });
  const state = trainingStateSchema.safeParse(checkpoint.run.state);
  if (!state.success) {
    throw new SenetError("weights", "the state of the run cannot be used", {
      where: path,
      found: state.error.message.split("\n"),
    });
  }
  const config = trainingConfig(checkpoint.run.config, path);
  return { ...checkpoint, run: { config, state: state.data, velocities: checkpoint.run.velocities } };
}

/** What a run in `out` was told to do and how far it came. @throws SenetError `usage` or `weights` where there is none */
export async function openRun(out: string): Promise<{ config: TrainingConfig; state: TrainingState }> {
  const { config, state } = (await openLast(out)).run;
  return { config, state };
}

async function writeMetrics(out: string, history: readonly EpochMetrics[]): Promise<void> {
  const first = history[0];
  if (first === undefined) return;
  const columns = Object.keys(first) as (keyof EpochMetrics)[];
  const csv = [columns.join(","), ...history.map((row) => columns.map((column) => dusted(row[column])).join(","))];
  await replaceFile(join(out, "metrics.csv"), [`${csv.join("\n")}\n`]);
  await replaceFile(
    join(out, "metrics.jsonl"),
    history.map((row) => `${jsonText(row)}\n`),
  );
}
