/** `train`, for programs: await the run, or follow it event by event. */

import { existsSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import type { Failure } from "../data/dataset.ts";
import { SenetError } from "../errors.ts";
import { givenOptions } from "../options.ts";
import { alone, fromFirst, type Ranks } from "../ranks.ts";
import { reportAfter } from "../report/run.node.ts";
import { type TrainingConfig, trainingConfig } from "../train/config.ts";
import { bestFile, lastFile, newRunFolder, openRun } from "../train/out.node.ts";
import { resumedConfig, withoutAuto } from "../train/resume.ts";
import { type RunOptions, type RunResult, trainRun } from "../train/run.node.ts";
import { sourceDefaults } from "../train/start.ts";
import type { EpochMetrics } from "../train/state.ts";
import { type NetworkFunction, nameOfOwn } from "../zoo/index.ts";
import { overRecipe } from "./over-recipe.ts";
import { openSource } from "./source.node.ts";
import { Training, type TrainingEvent } from "./training.ts";

/**
 * How a run is carried out. None of this changes the result, except for the last digits with `recompute` and
 * `precision`.
 */
export interface RunningOptions
  extends Partial<Omit<RunOptions, "data" | "config" | "build" | "source" | "withBatch">> {
  /** Whether to write `report.html` into the run's folder at the end; default true. */
  readonly report?: boolean;
}

/** Every key of the training configuration, and how to run it; all have defaults. */
export interface TrainOptions extends Partial<Omit<TrainingConfig, "model" | "batchSize" | "recipe">>, RunningOptions {
  /**
   * A training by name, such as `imagenette-5` (`recipes` has them all). All that is given besides overrides it; with
   * another batch size its rate scales.
   */
  readonly recipe?: string | null;
  /** Pictures per step; `auto`: as many as fit into memory. */
  readonly batchSize?: number | "auto";
  /**
   * A model of the zoo (default: `se-resnet-18`), or your own network's function, which `load` then needs too. Pictures
   * for your own network are 224 × 224 unless `imageSize` says otherwise.
   */
  readonly model?: string | NetworkFunction;
}

/** A run that has finished or was stopped. */
export interface TrainedRun {
  /** The folder with all of its files. */
  readonly out: string;
  /** File of the weights with the lowest validation top-1 error; of the last weights if nothing was validated yet. */
  readonly best: string;
  /** File of the latest weights, with everything that `resume` needs. */
  readonly last: string;
  readonly config: TrainingConfig;
  /** False if it was stopped. */
  readonly finished: boolean;
  /** Lowest validation top-1 error in percent; `null` if nothing was validated. */
  readonly top1Error: number | null;
  /** One row per epoch. */
  readonly history: readonly EpochMetrics[];
  /** Pictures that could not be decoded. */
  readonly failures: readonly Failure[];
}

/**
 * Trains a network on pictures and writes its files into a folder.
 *
 * Aborting `signal` ends the run after the step under way and saves it. The result then has `finished: false`, and
 * `resume` continues along the same curve.
 *
 * Under `mpirun`, each process calls this with `ranks: await openJob()` and otherwise the same options; a batch is that
 * of all processes together. The first process writes the files, and all get the result.
 * @param data a folder with `train/` and `val/`, each with one subfolder per class; an archive of the same; a data
 * set's files
 * @throws SenetError (as a rejection) `data`, `usage`, `weights`, `training` or `io`; files saved earlier stay
 */
export const train = (data: string, options: TrainOptions = {}): Training<TrainedRun> =>
  new Training((tell, stopping) => run(data, options, tell, stopping));

async function run(
  data: string,
  options: TrainOptions,
  tell: (event: TrainingEvent) => void,
  stopping: AbortSignal,
): Promise<TrainedRun> {
  const {
    running: { report = true, ...running },
    besides,
    build,
  } = sorted(options);
  const { signal, say, onFailure, onStart, onStep, onEpoch, onValidation, resume = false } = running;
  const note = (text: string) => {
    say?.(text);
    tell({ kind: "note", text });
  };
  const fresh = resume ? undefined : await begun(options, note);
  const isNamed = running.out !== undefined;
  const { ranks = alone } = running;
  const out = running.out ?? (fresh === undefined ? needsFolder() : await folderFor(ranks, fresh.config.model));
  const resumed = async (from: string) => {
    const saved = await openRun(from, build);
    return resumedConfig(saved, { values: besides(saved.config), nameOf: (key) => key }, from, note);
  };
  try {
    const asked = fresh?.config ?? (await resumed(out));
    const result = await trainRun({
      ...running,
      data,
      out,
      config: asked,
      resume,
      build,
      source: fresh?.source,
      ...(fresh?.withBatch && { withBatch: fresh.withBatch }),
      signal: signal === undefined ? stopping : AbortSignal.any([signal, stopping]),
      say: note,
      onFailure(failure) {
        onFailure?.(failure);
        tell({ kind: "failure", ...failure });
      },
      onStart(facts) {
        onStart?.(facts);
        tell({ kind: "start", ...facts });
      },
      onStep(progress) {
        onStep?.(progress);
        tell({ kind: "step", ...progress });
      },
      onEpoch(metrics, isBest) {
        onEpoch?.(metrics, isBest);
        tell({ kind: "epoch", isBest, ...metrics });
      },
      onValidation(done, total) {
        onValidation?.(done, total);
        tell({ kind: "validation", done, total });
      },
    });
    const { state, finished, failures, config } = result;
    if (report && ranks.rank === 0) await reportOf(result, { out, model: build, executor: running.executor }, note);
    const { history, bestTop1Error: top1Error } = state;
    const last = lastFile(out);
    // Rank 0 has written it by now; the others may not see its disk.
    const best = await fromFirst(ranks, () => (existsSync(bestFile(out)) ? bestFile(out) : last));
    return { out, best, last, config, finished, top1Error, history, failures };
  } finally {
    // Frees the folder's name again if the run could not begin.
    if (!isNamed && ranks.rank === 0) await rmdir(out).catch(() => {});
  }
}

/** A new folder, the same on all ranks. */
const folderFor = (ranks: Ranks, model: string): Promise<string> => fromFirst(ranks, () => newRunFolder(model));

/** The weights are already saved, so a missing report does not fail the training. */
async function reportOf(
  result: RunResult,
  run: Parameters<typeof reportAfter>[1],
  note: (text: string) => void,
): Promise<void> {
  try {
    await reportAfter(result, run);
  } catch (error) {
    if (!(error instanceof SenetError)) throw error;
    note(`there is no report: ${error.message}`);
  }
}

/**
 * The configuration of a new run and the network that it starts from. @throws SenetError where that cannot be opened
 */
export async function begun(options: TrainOptions, say: (line: string) => void) {
  const { running, values, build, withBatch } = sorted(options);
  const { weights } = options;
  const source = typeof weights === "string" ? await openSource(weights, build, say) : undefined;
  const config = trainingConfig({ ...(source && sourceDefaults(source)), ...values });
  return { running, build, source, config, withBatch };
}

/** All options that are not keys of the configuration. */
const runningKeys: Readonly<Record<keyof RunningOptions, true>> = {
  out: true,
  resume: true,
  acceptChanges: true,
  fresh: true,
  list: true,
  valList: true,
  allowMissing: true,
  command: true,
  report: true,
  executor: true,
  precision: true,
  threads: true,
  recompute: true,
  workers: true,
  cacheBytes: true,
  ranks: true,
  wire: true,
  bucketBytes: true,
  ...{
    cacheFolder: true,
    saveEverySeconds: true,
    keepBest: true,
    timeBudgetSeconds: true,
    fitBatch: true,
    memoryLimit: true,
  },
  signal: true,
  say: true,
  onFailure: true,
  onStart: true,
  onStep: true,
  onEpoch: true,
  onPhase: true,
  onValidation: true,
};

/** Separates the options from the configuration's keys. */
function sorted(options: TrainOptions) {
  const given = Object.entries(givenOptions(options));
  const isRunning = ([key]: [string, unknown]) => Object.hasOwn(runningKeys, key);
  const { fitBatch, values } = withoutAuto({ values: Object.fromEntries(given.filter((entry) => !isRunning(entry))) });
  const running = { ...(Object.fromEntries(given.filter(isRunning)) as RunningOptions), ...(fitBatch && { fitBatch }) };
  const { model, imageSize = 224, resume, weights } = options;
  if (typeof model !== "function") return { running, build: undefined, ...overRecipe(values) };
  // A resumed run keeps its size, and weights have one of their own.
  const hasSize = resume === true || typeof weights === "string";
  const size = hasSize && options.imageSize === undefined ? {} : { imageSize };
  return { running, build: model, ...overRecipe({ ...values, ...size, model: nameOfOwn(model) }) };
}

function needsFolder(): never {
  throw new SenetError("usage", "no run to resume was named", {
    where: "resume",
    expected: "out, with that run's folder",
  });
}
