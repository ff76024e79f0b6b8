/**
 * A training run in a folder: pictures in, `best.safetensors`, `last.safetensors`, `metrics.csv`, `metrics.jsonl` and
 * `config.json` out. What stands in the folder is always whole, and a run that was stopped goes on from `last.safetensors`.
 */

import { existsSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import { quote } from "../data/classes.ts";
import { type Failure, Loader } from "../data/loader.node.ts";
import { option, SenetError } from "../errors.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import { evaluateFolder } from "../evaluate/folder.node.ts";
import { replaceFile } from "../files/replace.node.ts";
import { sizeAt } from "../images/sizes.ts";
import { isTrainable, type Parameter } from "../ir/graph.ts";
import { sizeOf } from "../tensor.ts";
import { lossGraph } from "../zoo/index.ts";
import { averageConfigOf } from "./averaging.ts";
import { ChangingStep, type StepForm } from "./changing-step.ts";
import { EventFile } from "./event-file.node.ts";
import { changesBetween, type Fingerprint, fingerprintOf } from "./fingerprint.node.ts";
import { type Evaluations, type Progress, trainingLoop } from "./loop.ts";
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
import { startOf } from "./start.ts";
import { type EpochMetrics, initialState, isFinished, type TrainingState } from "./state.ts";

export interface RunOptions extends PrepareOptions {
  /** Where the run's files go; made when absent. */
  readonly out: string;
  /** What was typed to start the run, for its report. */
  readonly command?: string;
  /** Go on from `last.safetensors` in `out`. */
  readonly resume: boolean;
  /** Go on also with other pictures of the same classes than the run had. */
  readonly acceptChanges?: boolean;
  /** Start anew even where `out` holds an earlier run; its files are replaced one by one. */
  readonly fresh?: boolean;
  /** How much of an epoch may be lost when the process is killed; default: a quarter of an hour. */
  readonly saveEverySeconds?: number;
  /** The weights of so many of the best epochs are kept, each in a file of its own; default: of the best alone. */
  readonly keepBest?: number;
  /**
   * The run ends after the step under way once it has gone on for so long, saved and as if `signal` had stopped it: its
   * schedule is as long as ever, and `resume` goes on.
   */
  readonly timeBudgetSeconds?: number;
  readonly signal: AbortSignal;
  readonly onStart: (facts: RunFacts) => void;
  readonly onStep: (progress: Progress) => void;
  readonly onEpoch: (metrics: EpochMetrics, isBest: boolean) => void;
  readonly onPhase?: (phase: Phase) => void;
  /** Pictures validated so far, of all. */
  readonly onValidation?: (done: number, total: number) => void;
}

/** What a run is doing. What was done before `validating` is saved; `saving` is best not interrupted. */
export type Phase = "starting" | "training" | "saving" | "validating";

export interface RunFacts {
  readonly executor: string;
  readonly reason: string;
  readonly classes: number;
  readonly trainImages: number;
  readonly validationImages: number;
  readonly parameters: number;
  /** Of them, those that are not frozen. */
  readonly learntParameters: number;
  readonly startEpoch: number;
  /** Steps of that epoch that were done before. */
  readonly startStep: number;
  readonly stepsPerEpoch: number;
  readonly batchSize: number;
}

export interface RunResult {
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
  if (options.resume && !existsSync(lastFile(out))) await readRun(out); // says that there is none
  const isNew = !existsSync(out);
  const lock = await claimFolder(out);
  try {
    const earlier = await earlierRun(options);
    if (earlier !== undefined) {
      // A run that was killed in between has saved its state, and not its metrics.
      await writeMetrics(out, earlier.run.state.history);
      if (isFinished(earlier.run.state, config))
        return { state: earlier.run.state, finished: true, failures: [], hasTrained: false };
    }
    return await trainFrom(options, earlier);
  } finally {
    lock.release();
    // A run that could not begin leaves no folder behind; one that has begun left files in it.
    if (isNew) await rmdir(out).catch(() => {});
  }
}

type Earlier = Awaited<ReturnType<typeof readRun>>;

async function trainFrom(options: RunOptions, earlier: Earlier | undefined): Promise<RunResult> {
  const { config, out, onPhase = () => {} } = options;
  const signal = boundedBy(options);
  const { train, val, pictures, stepsPerEpoch } = await openRunData({ ...options, signal });
  const { build, source } = options;
  const begin = earlier ?? startOf({ config, labels: train.classes, build, source });
  const { model: network, weights } = begin;
  const freeze = config.freeze ?? undefined;
  const graph = lossGraph(network, {
    batch: config.microBatch ?? config.batchSize,
    imageSize: config.imageSize,
    freeze,
  });
  const { executor, reason } = await trainingExecutor(options);
  const data = fingerprintOf(train, val);
  const start = earlier === undefined ? initialState : startFrom(earlier, options, train.classes, data, stepsPerEpoch);
  // Also where it was made longer.
  await replaceFile(join(out, "config.json"), [`${JSON.stringify(config, null, 2)}\n`]);
  for (const note of "notes" in begin ? begin.notes : []) options.say?.(note);
  const begun = earlier === undefined ? undefined : await readRecord(out);
  const command = begun?.command ?? options.command;
  await writeRecord(out, {
    ...{ ...toldOf(options), data: pictures, executor: executor.description },
    ...(command && { command }),
  });
  const events = await EventFile.create(out, start.history);

  const preprocessing = preprocessingOf(config, begin.preprocessing);
  const transform = trainingTransformOf(config, preprocessing);
  const formAt = (epoch: number): StepForm => ({
    imageSize: sizeAt(transform, epoch),
    freezeBatchNorm: epoch >= config.epochs - config.freezeBnEpochs,
  });
  const subject = { model: network, weights, executor, train, average: averageConfigOf(config) };
  const step = await ChangingStep.create(
    (form, state) => createStep(options, subject, form, state),
    formAt(start.epoch),
    { ...earlier?.run },
  );
  const memory = memoryOf(options);
  const trainLoader = trainingLoader(options, train, transform, memory);
  const valLoader = new Loader({
    dataset: val,
    batchSize: config.batchSize,
    transform: { kind: "evaluate", preprocessing },
    ...loadingOf(options, memory),
  });

  const sizeOfAll = (parameters: readonly Parameter[]) =>
    parameters.reduce((sum, { type }) => sum + sizeOf(type.shape), 0);
  options.onStart({
    executor: executor.name,
    reason,
    classes: train.classes.length,
    trainImages: train.samples.length,
    validationImages: val.samples.length,
    parameters: sizeOfAll(graph.parameters.filter(({ role }) => role !== "mean" && role !== "variance")),
    learntParameters: sizeOfAll(graph.parameters.filter(isTrainable)),
    startEpoch: start.epoch,
    startStep: start.step,
    stepsPerEpoch,
    batchSize: config.batchSize,
  });

  const checkpoint = { model: network, labels: train.classes, preprocessing, weights };
  let [latest, best]: (Evaluation | undefined)[] = [];
  const save = async (state: TrainingState, isBest: boolean): Promise<void> => {
    onPhase("saving");
    await step.synchronise();
    const { optimizerState: optimizer, average } = step;
    await saveRun(
      out,
      checkpoint,
      { config, state, data, optimizer, ...(average && { average }) },
      isBest,
      options.keepBest,
    );
    if (isBest) best = latest;
    onPhase("training");
  };
  const evaluateNow = async (): Promise<Evaluations | undefined> => {
    onPhase("validating");
    await step.synchronise();
    const { average } = step;
    const sets = average === undefined ? [weights] : [weights, average];
    const total = sets.length * val.samples.length;
    const evaluations: Evaluation[] = [];
    try {
      for (const [i, set] of sets.entries()) {
        const subject = { model: network, weights: set, loader: valLoader, imageSize: config.imageSize };
        const onProgress = (done: number) => options.onValidation?.(i * val.samples.length + done, total);
        evaluations.push(await evaluateFolder({ executor, ...subject, ...threadsOf(options), signal, onProgress }));
      }
    } catch (error) {
      if (signal.aborted && error === signal.reason) return undefined;
      throw error;
    }
    onPhase("saving");
    const [ofWeights, ofAverage] = evaluations;
    latest = ofAverage ?? ofWeights;
    return { weights: ofWeights!, ...(ofAverage && { average: ofAverage }) };
  };

  try {
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
        evaluate: evaluateNow,
        onStep: options.onStep,
        onEpoch: (metrics, isBest) => {
          events.add(metrics);
          options.onEpoch(metrics, isBest);
        },
        save,
        ...(options.saveEverySeconds === undefined ? {} : { saveEverySeconds: options.saveEverySeconds }),
        signal,
      },
      start,
    );
    const failures = [...trainLoader.failures, ...valLoader.failures];
    const finished = isFinished(state, config);
    return { state, finished, failures, hasTrained: true, ...(best === undefined ? {} : { evaluation: best }) };
  } finally {
    await Promise.all([step.dispose(), trainLoader.dispose(), valLoader.dispose()]);
  }
}

const toldOf = ({ list, valList, allowMissing }: RunOptions) => ({ list, valList, allowMissing });

/** What stops the run: whoever may, and its time. */
function boundedBy({ signal, timeBudgetSeconds }: RunOptions): AbortSignal {
  if (timeBudgetSeconds === undefined) return signal;
  // Timers count to no more.
  return AbortSignal.any([signal, AbortSignal.timeout(Math.min(2 ** 31 - 1, Math.ceil(1000 * timeBudgetSeconds)))]);
}

/** The run to go on with; `undefined` for a new one. @throws SenetError `usage` where `out` has one that is not wanted */
async function earlierRun({ out, resume, fresh, config, build }: RunOptions): Promise<Earlier | undefined> {
  if (!resume) {
    if (existsSync(lastFile(out)) && fresh !== true) {
      throw new SenetError("usage", "there is a run in this folder already", {
        where: out,
        hint: `${option("resume")} to go on with it, or another ${option("out")}`,
      });
    }
    return undefined;
  }
  const earlier = await readRun(out, build);
  if (earlier.model.name !== config.model) {
    throw new SenetError("weights", "the run is for another model", {
      where: lastFile(out),
      expected: config.model,
      found: earlier.model.name,
    });
  }
  return earlier;
}

/**
 * Where an earlier run goes on, with the pictures as they are now.
 * @throws SenetError `usage` where they are not those it was trained on, `weights` where no run can be in its state
 */
function startFrom(
  { labels, run }: Earlier,
  { out, data: folder, say = () => {}, acceptChanges = false }: RunOptions,
  classes: readonly string[],
  data: Fingerprint,
  stepsPerEpoch: number,
): TrainingState {
  if (labels.join("\0") !== classes.join("\0")) {
    const missing = labels.filter((name) => !classes.includes(name));
    const more = classes.filter((name) => !labels.includes(name));
    throw new SenetError("weights", "the run was trained on different classes", {
      where: lastFile(out),
      expected: `${labels.length} classes${missing.length === 0 ? "" : `, with ${quote(missing)}`}`,
      found: `${classes.length}${more.length === 0 ? "" : `, with ${quote(more)}`} in ${folder}`,
      hint: `the data folder as it was, or a new run in another ${option("out")}`,
    });
  }
  const changes = run.data === undefined ? [] : changesBetween(run.data, data, classes);
  const isBeyond = run.state.step > stepsPerEpoch;
  if (isBeyond && changes.length === 0) {
    changes.push(`an epoch of ${stepsPerEpoch} steps, of which the run has done ${run.state.step}`);
    if (run.data !== undefined) {
      throw new SenetError("weights", "the state of the run cannot be used", {
        where: lastFile(out),
        found: changes.join("; "),
      });
    }
  }
  if (changes.length > 0 && !acceptChanges) {
    throw new SenetError("usage", "the pictures are not those that the run was trained on", {
      where: folder,
      found: changes.join("; "),
      hint: `the data folder as it was; or ${option("acceptChanges")}, to go on with the pictures that are there now`,
    });
  }
  for (const change of changes) say(`changed since the run was saved: ${change}`);
  if (run.data === undefined)
    say("the run was saved without a list of its pictures, so nobody can tell whether they are still the same");
  return isBeyond ? { ...run.state, step: stepsPerEpoch } : run.state;
}
