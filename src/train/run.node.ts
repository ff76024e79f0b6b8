/**
 * A training run in a folder: pictures in, `best.safetensors`, `last.safetensors`, `metrics.csv`, `metrics.jsonl` and
 * `config.json` out. What stands in the folder is always whole, and a run that was stopped goes on from `last.safetensors`.
 */

import { existsSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Failure } from "../data/dataset.ts";
import { Loader } from "../data/loader.node.ts";
import { SenetError } from "../errors.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import type { Executor } from "../executors/executor.ts";
import { replaceFile } from "../files/replace.node.ts";
import { sizeAt } from "../images/sizes.ts";
import { isTrainable, type Parameter } from "../ir/graph.ts";
import { sizeOf } from "../tensor.ts";
import { lossGraph, type Model } from "../zoo/index.ts";
import { averageConfigOf } from "./averaging.ts";
import { ChangingStep, type CompileStep, type StepForm } from "./changing-step.ts";
import { learningRateOf, type TrainingConfig } from "./config.ts";
import { type Earlier, type EarlierOptions, earlierRun, startFrom } from "./earlier.node.ts";
import { EventFile } from "./event-file.node.ts";
import type { Phase, RunFacts } from "./facts.ts";
import { fingerprintOf } from "./fingerprint.node.ts";
import { withFittingBatch } from "./fitting-batch.node.ts";
import { type Progress, trainingLoop } from "./loop.ts";
import { mixed } from "./mix.ts";
import { claimFolder, lastFile, readRun, saveRun, writeMetrics } from "./out.node.ts";
import { preprocessingOf, trainingTransformOf } from "./pictures.ts";
import {
  createStep,
  loadingOf,
  memoryOf,
  openRunData,
  type PrepareOptions,
  threadsOf,
  trainingExecutor,
  trainingLoader,
} from "./prepare.node.ts";
import { readRecord, writeRecord } from "./record.node.ts";
import { inSteps, withSmallerBatches } from "./smaller-batch.ts";
import { beginWithPatches, startOf } from "./start.ts";
import { type EpochMetrics, initialState, isFinished, type TrainingState } from "./state.ts";
import { timeBudget } from "./time-budget.ts";
import { Validation } from "./validation.node.ts";

export interface RunOptions extends PrepareOptions, EarlierOptions {
  /** Where the run's files go; made when absent. */
  readonly out: string;
  /** What was typed to start the run, for its report. */
  readonly command?: string;
  /** How much of an epoch may be lost when the process is killed; default: a quarter of an hour. */
  readonly saveEverySeconds?: number;
  /** The weights of so many of the best epochs are kept, each in a file of its own; default: of the best alone. */
  readonly keepBest?: number;
  /**
   * The run ends after the step under way once it has gone on for so long, saved and as if `signal` had stopped it: its
   * schedule is as long as ever, and `resume` goes on.
   */
  readonly timeBudgetSeconds?: number;
  /** The batch of a new run is the largest that fits the memory (`withFittingBatch`), whatever `config` has. */
  readonly fitBatch?: boolean;
  /** Bytes that are free for it; default: what the machine and the container have. */
  readonly memoryLimit?: number;
  readonly signal: AbortSignal;
  readonly onStart: (facts: RunFacts) => void;
  readonly onStep: (progress: Progress) => void;
  readonly onEpoch: (metrics: EpochMetrics, isBest: boolean) => void;
  readonly onPhase?: (phase: Phase) => void;
  /** Pictures validated so far, of all. */
  readonly onValidation?: (done: number, total: number) => void;
}

export interface RunResult {
  /** As it was asked for, with the batch that fitted the memory. */
  readonly config: TrainingConfig;
  readonly state: TrainingState;
  /** False when `signal` stopped the run before its last epoch. */
  readonly finished: boolean;
  readonly failures: readonly Failure[];
  /** False where the run was finished before. */
  readonly hasTrained: boolean;
  /** What the best weights said of the pictures to validate with; absent where they are of an earlier process. */
  readonly evaluation?: Evaluation;
}

/**
 * Trains from the start, or from where the run in `out` stopped.
 * @throws SenetError `data`, `usage`, `weights`, `training` or `io`; what was saved before stays
 */
export async function trainRun(options: RunOptions): Promise<RunResult> {
  const { config, out } = options;
  checkRunOptions(options);
  if (options.resume && !existsSync(lastFile(out))) await readRun(out); // says that there is none
  const isNew = !existsSync(out);
  const lock = await claimFolder(out);
  const budget = timeBudget(options.signal, options.timeBudgetSeconds);
  try {
    const earlier = await earlierRun(options);
    if (earlier !== undefined) {
      // A run that was killed in between has saved its state, and not its metrics.
      await writeMetrics(out, earlier.run.state.history);
      if (isFinished(earlier.run.state, config))
        return { config, state: earlier.run.state, finished: true, failures: [], hasTrained: false };
    }
    const isFitted = options.fitBatch === true && earlier === undefined;
    const fitting = isFitted ? await withFittingBatch(options) : config;
    let hasSaved = options.resume;
    const onSave = () => {
      hasSaved = true;
    };
    const attempt = async (config: TrainingConfig) => {
      // A smaller batch goes on from what was saved with the larger one.
      const saved = hasSaved ? await readRun(out, options.build) : undefined;
      return trainFrom({ ...options, config, signal: budget.signal }, saved && inBatchesOf(config, saved), onSave);
    };
    return await withSmallerBatches(fitting, attempt, options.say);
  } finally {
    budget.end();
    lock.release();
    // A run that could not begin leaves no folder behind; one that has begun left files in it.
    if (isNew) await rmdir(out).catch(() => {});
  }
}

function inBatchesOf({ batchSize }: TrainingConfig, earlier: Earlier): Earlier {
  const { config, state } = earlier.run;
  if (config.batchSize === batchSize) return earlier;
  return { ...earlier, run: { ...earlier.run, state: inSteps(state, config.batchSize, batchSize) } };
}

async function trainFrom(options: RunOptions, earlier: Earlier | undefined, onSave: () => void): Promise<RunResult> {
  const { config, signal, onPhase = () => {} } = options;
  const { build, source } = options;
  const { train, val, pictures, stepsPerEpoch } = await openRunData(options);
  const begin = earlier ?? startOf({ config, labels: train.classes, build, source });
  // First of all, since it refuses what cannot be frozen.
  const parameters = parametersOf(begin.model, config);
  const selection = await trainingExecutor(options);
  const data = fingerprintOf(train, val);
  const start = earlier === undefined ? initialState : startFrom(earlier, options, train.classes, data, stepsPerEpoch);
  for (const note of "notes" in begin ? begin.notes : []) options.say?.(note);
  const { model, weights } = begin;
  const { executor } = selection;
  const events = await beginFiles(options, pictures, executor, start);

  const preprocessing = preprocessingOf(config, begin.preprocessing);
  const transform = trainingTransformOf(config, preprocessing);
  const formAt = (epoch: number): StepForm => ({
    imageSize: sizeAt(transform, epoch),
    freezeBatchNorm: epoch >= config.epochs - config.freezeBnEpochs,
  });
  const loading = loadingOf(options, memoryOf(options));
  await using trainLoader = trainingLoader(options, train, transform, loading);
  if ("notes" in begin) await beginWithPatches(begin, { config, batches: () => trainLoader.epoch(0) });
  const subject = { model, weights, executor, train, average: averageConfigOf(config) };
  const compile: CompileStep = (form, state) => createStep(options, subject, form, state);
  await using step = await ChangingStep.create(compile, formAt(start.epoch), { ...earlier?.run });
  await using valLoader = new Loader({
    dataset: val,
    batchSize: config.batchSize,
    transform: { kind: "evaluate", preprocessing },
    ...loading,
  });
  const validation = new Validation({
    ...{ model, weights, executor, loader: valLoader, images: val.samples.length, imageSize: config.imageSize, signal },
    ...threadsOf(options),
    onProgress: options.onValidation,
  });

  options.onStart({
    ...{ executor: executor.name, reason: selection.reason, stepsPerEpoch, batchSize: config.batchSize },
    ...{ classes: train.classes.length, trainImages: train.samples.length, validationImages: val.samples.length },
    ...parameters,
    ...{ startEpoch: start.epoch, startStep: start.step, learningRate: learningRateOf(config) },
  });
  const checkpoint = { model, labels: train.classes, preprocessing, weights };
  let best: Evaluation | undefined;
  onPhase("training");
  const state = await trainingLoop(
    {
      config,
      step,
      stepsPerEpoch,
      batches: async function* (epoch, start) {
        await step.change(formAt(epoch));
        const batches = trainLoader.epoch(epoch, start);
        yield* mixed(batches, config, { epoch, start, classes: train.classes.length });
      },
      evaluate: async () => {
        onPhase("validating");
        await step.synchronise();
        const evaluations = await validation.run(step.average);
        if (evaluations !== undefined) onPhase("saving");
        return evaluations;
      },
      onStep: options.onStep,
      onEpoch: (metrics, isBest) => {
        events.add(metrics);
        options.onEpoch(metrics, isBest);
      },
      save: async (state, isBest) => {
        onPhase("saving");
        await step.synchronise();
        const { optimizerState: optimizer, average } = step;
        const run = { config, state, data, optimizer, ...(average && { average }) };
        await saveRun(options.out, checkpoint, run, isBest, options.keepBest);
        onSave();
        if (isBest) best = validation.latest;
        onPhase("training");
      },
      ...(options.saveEverySeconds === undefined ? {} : { saveEverySeconds: options.saveEverySeconds }),
      signal,
    },
    start,
  );
  const failures = [...trainLoader.failures, ...valLoader.failures];
  const finished = isFinished(state, config);
  return { config, state, finished, failures, hasTrained: true, ...(best === undefined ? {} : { evaluation: best }) };
}

/** @throws SenetError `usage` naming the first that cannot be */
function checkRunOptions({ keepBest = 1, saveEverySeconds = 1, timeBudgetSeconds = 1 }: RunOptions): void {
  if (!(Number.isInteger(keepBest) && keepBest >= 1)) wrong("keepBest", "a whole number, 1 or more", keepBest);
  if (!(saveEverySeconds >= 0)) wrong("saveEverySeconds", "a time, or 0 for after each step", saveEverySeconds);
  if (!(timeBudgetSeconds > 0)) wrong("timeBudgetSeconds", "a time above 0", timeBudgetSeconds);
}

function wrong(key: string, expected: string, found: number): never {
  throw new SenetError("usage", "this training option cannot be used", { where: key, expected, found: `${found}` });
}

/** The files that a run has from its start on. The configuration is written also where the run was made longer. */
async function beginFiles(
  options: RunOptions,
  pictures: string,
  executor: Executor,
  { history }: TrainingState,
): Promise<EventFile> {
  const { out, config, list, valList, allowMissing } = options;
  await replaceFile(join(out, "config.json"), [`${JSON.stringify(config, null, 2)}\n`]);
  const begun = options.resume ? await readRecord(out) : undefined;
  const command = begun?.command ?? options.command;
  await writeRecord(out, {
    ...{ list, valList, allowMissing, data: pictures, executor: executor.description },
    ...(command && { command }),
  });
  return EventFile.create(out, history);
}

/** How many numbers a network learns, of how many. */
function parametersOf(network: Model, { microBatch, batchSize, imageSize, freeze }: TrainingConfig) {
  const graph = lossGraph(network, { batch: microBatch ?? batchSize, imageSize, freeze: freeze ?? undefined });
  const sizeOfAll = (parameters: readonly Parameter[]) =>
    parameters.reduce((sum, { type }) => sum + sizeOf(type.shape), 0);
  return {
    parameters: sizeOfAll(graph.parameters.filter(({ role }) => role !== "mean" && role !== "variance")),
    learntParameters: sizeOfAll(graph.parameters.filter(isTrainable)),
  };
}
