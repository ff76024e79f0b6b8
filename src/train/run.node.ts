/**
 * A training run in a folder: pictures in; `best.safetensors`, `last.safetensors`, `metrics.csv`, `metrics.jsonl` and
 * `config.json` out. The files are always complete, and a stopped run resumes from `last.safetensors`.
 */

import { existsSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Dataset, Failure } from "../data/dataset.ts";
import { Loader } from "../data/loader.node.ts";
import { nameIn } from "../data/sample-name.node.ts";
import { option, SenetError } from "../errors.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import type { Executor } from "../executors/executor.ts";
import { replaceFile } from "../files/replace.node.ts";
import { alone } from "../ranks.ts";
import { packageFacts } from "../version.node.ts";
import { type TrainingConfig, withinSteps } from "./config.ts";
import { parametersOf, runCourse, validationBatch } from "./course.ts";
import { countsOf } from "./create-step.ts";
import { type EarlierOptions, earlierRun } from "./earlier.node.ts";
import { EventFile } from "./event-file.node.ts";
import type { Phase, RunFacts } from "./facts.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";
import { withFittingBatch } from "./fitting-batch.node.ts";
import { type Progress, partsOf } from "./loop.ts";
import { claimFolder, lastFile, readRun, saveRun, writeMetrics } from "./out.node.ts";
import { ownShare } from "./own-share.node.ts";
import { preprocessingOf, trainingTransformOf, validationTransformOf } from "./pictures.ts";
import {
  loadingOf,
  memoryOf,
  openRunData,
  type PrepareOptions,
  trainingExecutor,
  trainingLoader,
} from "./prepare.node.ts";
import { checkShares } from "./rank-batches.ts";
import { type RunRecord, readRecord, writeRecord } from "./record.node.ts";
import { startFrom } from "./resume.ts";
import type { Resumable } from "./saved.ts";
import { inSteps, type WithBatch, withSmallerBatches } from "./smaller-batch.ts";
import { beginWithPatches, startOf } from "./start.ts";
import { type EpochMetrics, initialState, isFinished, type TrainingState } from "./state.ts";
import { timeBudget } from "./time-budget.ts";
import { shareOf } from "./validation-shares.ts";

export interface RunOptions extends PrepareOptions, EarlierOptions {
  /** Folder for the run's files; created if it does not exist. */
  readonly out: string;
  /** The command line that started the run, for its report. */
  readonly command?: string;
  /** Longest time between two saves, in seconds; default: a quarter of an hour. */
  readonly saveEverySeconds?: number;
  /** Number of best epochs whose weights are kept, each in its own file; default: only `best.safetensors`. */
  readonly keepBest?: number;
  /**
   * After this time the run stops after the step under way, saved as if `signal` had stopped it. The schedule does not
   * change; `resume` continues.
   */
  readonly timeBudgetSeconds?: number;
  /** Give a new run the largest batch that fits into memory (`withFittingBatch`), whatever `config` says. */
  readonly fitBatch?: boolean;
  /** Adapts a new run's configuration to its batch (a recipe's rate), which may be found or be reduced for lack of memory. */
  readonly withBatch?: WithBatch;
  /** Bytes of memory available to the run; default: what the machine and the container have free. */
  readonly memoryLimit?: number;
  readonly signal: AbortSignal;
  readonly onStart: (facts: RunFacts) => void;
  readonly onStep: (progress: Progress) => void;
  readonly onEpoch: (metrics: EpochMetrics, isBest: boolean) => void;
  readonly onPhase?: (phase: Phase) => void;
  /** Called with the number of pictures validated so far and in all. */
  readonly onValidation?: (done: number, total: number) => void;
}

export interface RunResult {
  /** The configuration asked for, with the batch size actually used. */
  readonly config: TrainingConfig;
  readonly state: TrainingState;
  /** False if `signal` stopped the run before its last epoch. */
  readonly finished: boolean;
  readonly failures: readonly Failure[];
  /** False if the run was already finished. */
  readonly hasTrained: boolean;
  /** Evaluation of the best weights; absent if they come from an earlier process. */
  readonly evaluation?: Evaluation;
}

/**
 * Trains from the start, or resumes the run in `out`.
 * @throws SenetError `data`, `usage`, `weights`, `training` or `io`; files saved earlier stay
 */
export async function trainRun(asked: RunOptions): Promise<RunResult> {
  const options = { ...asked, ...ownShare(asked) };
  const { config, out, ranks = alone, withBatch = (config) => config } = options;
  checkRunOptions(options);
  checkShares(config, ranks);
  if (options.resume && !existsSync(lastFile(out))) await readRun(out); // throws: there is none
  const isNew = !existsSync(out);
  // Only rank 0 writes; the others at most read.
  const lock = ranks.rank === 0 ? await claimFolder(out) : undefined;
  const budget = timeBudget(options.signal, options.timeBudgetSeconds);
  try {
    const earlier = await earlierRun(options);
    if (earlier !== undefined) {
      // A run killed between the two has saved its state, but not its metrics.
      if (ranks.rank === 0) await writeMetrics(out, earlier.run.state.history);
      if (isFinished(earlier.run.state, config))
        return { config, state: earlier.run.state, finished: true, failures: [], hasTrained: false };
    }
    const isFitted = options.fitBatch === true && earlier === undefined;
    const fitting = isFitted ? await withFittingBatch(options) : config;
    withBatch(fitting, options.say);
    let hasSaved = options.resume;
    const onSave = () => {
      hasSaved = true;
    };
    const attempt = async (asked: TrainingConfig) => {
      const config = withBatch(asked);
      // With a smaller batch, continue from what was saved with the larger one.
      const saved = hasSaved ? await readRun(out, options.build) : undefined;
      return trainFrom({ ...options, config, signal: budget.signal }, saved && inBatchesOf(config, saved), onSave);
    };
    // Several ranks cannot each choose a batch of their own.
    return ranks.count > 1
      ? await attempt(fitting)
      : await withSmallerBatches(fitting, attempt, options.say, withBatch);
  } finally {
    budget.end();
    lock?.release();
    // If the run could not begin, remove its folder, which is still empty.
    if (isNew && lock !== undefined) await rmdir(out).catch(() => {});
  }
}

function inBatchesOf({ batchSize }: TrainingConfig, earlier: Resumable): Resumable {
  const { config, state } = earlier.run;
  if (config.batchSize === batchSize) return earlier;
  return { ...earlier, run: { ...earlier.run, state: inSteps(state, config.batchSize, batchSize) } };
}

async function trainFrom(given: RunOptions, earlier: Resumable | undefined, onSave: () => void): Promise<RunResult> {
  const { train, val, pictures, stepsPerEpoch } = await openRunData(given);
  const config = withinSteps(given.config, stepsPerEpoch);
  const options = { ...given, config };
  const { build, source, ranks = alone } = options;
  const begin = earlier ?? startOf({ config, labels: train.classes, build, source });
  // First, since it refuses what cannot be frozen.
  parametersOf(begin.model, config);
  const preprocessing = preprocessingOf(config, begin.preprocessing);
  const loading = loadingOf(options, memoryOf(options));
  const transform = trainingTransformOf(config, preprocessing);
  await using trainLoader = trainingLoader(options, train, transform, loading);
  const { epoch, step } = earlier?.run.state ?? initialState;
  trainLoader.prepare(epoch, step * partsOf(config));
  const { executor, reason } = await trainingExecutor(options);
  const data = fingerprintOf(train, val, nameIn);
  const start = earlier === undefined ? initialState : resumedAt(earlier, options, { train, data, stepsPerEpoch });
  const notes = "notes" in begin ? [...begin.notes] : [];
  for (const note of notes) options.say?.(note);
  const { model, weights } = begin;
  const events = ranks.rank === 0 ? await beginFiles({ ...options, notes }, pictures, executor, start) : undefined;

  if ("notes" in begin) {
    // Each rank reads whole batches, so that all start with the same weights.
    await using whole =
      ranks.count === 1 || !config.patchInit
        ? undefined
        : trainingLoader({ ...options, ranks: alone }, train, transform, loading);
    await beginWithPatches(begin, { config, batches: () => (whole ?? trainLoader).epoch(0) });
  }
  const ownPart = shareOf(val.samples, ranks);
  await using valLoader =
    ownPart.length === 0
      ? undefined
      : new Loader({
          dataset: { ...val, samples: ownPart },
          batchSize: validationBatch(options),
          transform: validationTransformOf(config, preprocessing),
          // In a rank's share of a small class all pictures may happen to be bad.
          tolerant: ranks.count > 1,
          ...loading,
        });
  const result = await runCourse({
    ...options,
    executor,
    reason,
    start,
    data,
    stepsPerEpoch,
    version: packageFacts().version,
    checkpoint: { model, labels: train.classes, preprocessing, weights },
    counts: { train: countsOf(train), val: countsOf(val) },
    left: { ...earlier?.run },
    batches: (epoch, from) => trainLoader.epoch(epoch, from),
    validation: () => valLoader?.epoch(0) ?? nothing(),
    onEpoch: (metrics, isBest) => {
      events?.add(metrics);
      options.onEpoch(metrics, isBest);
    },
    save: async (checkpoint, run, isBest) => {
      await saveRun(options.out, checkpoint, run, isBest, options.keepBest);
      onSave();
    },
  });
  const failures = [...trainLoader.failures, ...(valLoader?.failures ?? [])];
  return { config, ...result, failures, hasTrained: true };
}

async function* nothing(): AsyncGenerator<never> {}

function resumedAt(
  earlier: Resumable,
  { out, data: folder, say, acceptChanges }: RunOptions,
  {
    train,
    data,
    stepsPerEpoch,
  }: { readonly train: Dataset; readonly data: Fingerprint; readonly stepsPerEpoch: number },
): TrainingState {
  const file = lastFile(out);
  const accepting = acceptChanges === undefined ? {} : { acceptChanges };
  return startFrom(earlier, { file, pictures: folder, say, ...accepting }, train.classes, data, stepsPerEpoch);
}

/** @throws SenetError `usage` naming the first invalid option */
function checkRunOptions(options: RunOptions): void {
  const { keepBest = 1, saveEverySeconds = 1, timeBudgetSeconds = 1, fitBatch = false, ranks = alone } = options;
  if (fitBatch && ranks.count > 1) {
    throw new SenetError("usage", "several processes cannot choose their batch automatically", {
      where: option("batchSize"),
      found: "auto",
      hint: "a number of pictures",
    });
  }
  if (!(Number.isInteger(keepBest) && keepBest >= 1)) wrong("keepBest", "a whole number, 1 or more", keepBest);
  if (!(saveEverySeconds >= 0)) wrong("saveEverySeconds", "a time, or 0 for after each step", saveEverySeconds);
  if (!(timeBudgetSeconds > 0)) wrong("timeBudgetSeconds", "a time above 0", timeBudgetSeconds);
}

function wrong(key: string, expected: string, found: number): never {
  throw new SenetError("usage", "this training option cannot be used", { where: key, expected, found: `${found}` });
}

/** Writes the files that a run has from its start. The configuration is also rewritten when a run is lengthened. */
async function beginFiles(
  options: RunOptions & Pick<RunRecord, "notes">,
  pictures: string,
  executor: Executor,
  { history }: TrainingState,
): Promise<EventFile> {
  const { out, config, list, valList, allowMissing } = options;
  await replaceFile(join(out, "config.json"), [`${JSON.stringify(config, null, 2)}\n`]);
  const begun = options.resume ? await readRecord(out) : undefined;
  const command = begun?.command ?? options.command;
  const notes = begun?.notes ?? options.notes;
  await writeRecord(out, {
    list,
    valList,
    allowMissing,
    data: pictures,
    executor: executor.description,
    ...(command && { command }),
    ...(notes && notes.length > 0 && { notes }),
  });
  return EventFile.create(out, history);
}
