/** The training loop: epochs of steps with a validation after each, from any saved position to the end. */

import { SenetError } from "../errors.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import { turn, unlessAborted } from "../event-loop.ts";
import { alone, type Ranks, totalOf } from "../ranks.ts";
import type { Tensor } from "../tensor.ts";
import { learningRateOf, type TrainingConfig } from "./config.ts";
import { divergedHint } from "./diagnose.ts";
import { learningRateAt, momentumAt } from "./schedule.ts";
import {
  type EpochMetrics,
  errorOf,
  initialState,
  isBestAfter,
  isFinished,
  noSums,
  type TrainingState,
} from "./state.ts";
import type { StepRates, TrainingStep } from "./step.ts";
import { Waiting } from "./waiting.ts";

export interface TrainingBatch {
  /** float32 `[N,channels,S,S]` */
  readonly images: Tensor;
  /** int32 `[N]`, or targets float32 `[N,classes]` */
  readonly labels: Tensor;
  /** How many of the rows are pictures; default: all. */
  readonly size?: number;
}

export interface Progress {
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  readonly steps: number;
  /** Steps left in the whole run. */
  readonly left: number;
  /** Mean over the epoch so far, as is `top1`. */
  readonly loss: number;
  readonly top1: number;
  readonly imagesPerSecond: number;
  readonly learningRate: number;
}

export interface LoopOptions {
  readonly config: TrainingConfig;
  readonly step: Pick<TrainingStep, "run">;
  readonly stepsPerEpoch: number;
  /** The batches of an epoch, from number `start` on, with `partsOf` batches to a step; a pure function of the two. */
  readonly batches: (epoch: number, start: number) => AsyncIterable<TrainingBatch>;
  /** Validates; `undefined` if `signal` stopped it. */
  readonly evaluate: () => Promise<Evaluations | undefined>;
  readonly onStep: (progress: Progress) => void;
  /** Called once per epoch, after it has been saved. */
  readonly onEpoch: (metrics: EpochMetrics, isBest: boolean) => void;
  /** Saves; called before and after every validation, now and then within a long epoch, and when interrupted. */
  readonly save: (state: TrainingState, isBest: boolean) => Promise<void>;
  /** Longest time between two saves, in seconds; default: a quarter of an hour. */
  readonly saveEverySeconds?: number;
  /** Stops the run; an abort on any rank stops all ranks. */
  readonly signal: AbortSignal;
  /** The ranks that train together, each on its part of every batch; default: this process alone. */
  readonly ranks?: Ranks;
  /** With several ranks, is told which rank the others wait for. */
  readonly say?: ((line: string) => void) | undefined;
}

/** Validation results of the weights, and of their moving average if there is one. */
export interface Evaluations {
  readonly weights: Evaluation;
  readonly average?: Evaluation;
}

/** Steps of an epoch; the last epoch may have fewer. */
const stepsOfEpoch = ({ config, stepsPerEpoch }: LoopOptions, epoch: number): number =>
  Math.min(stepsPerEpoch, (config.maxSteps ?? Number.POSITIVE_INFINITY) - epoch * stepsPerEpoch);

/** Number of batches whose gradients are summed in one step. */
export const partsOf = ({ batchSize, microBatch }: TrainingConfig): number => batchSize / (microBatch ?? batchSize);

/**
 * Trains from `state` to the last epoch, or until `signal`. Returns the state reached, which has been saved. A run that
 * is stopped or killed during a validation validates again when it resumes.
 * @throws SenetError `weights` where `state` has more steps than an epoch
 */
export async function trainingLoop(options: LoopOptions, state: TrainingState = initialState): Promise<TrainingState> {
  if (state.step > options.stepsPerEpoch) {
    throw new SenetError("weights", "the state of the run is impossible", {
      expected: `at most ${options.stepsPerEpoch} steps of an epoch`,
      found: `${state.step} steps that are done`,
    });
  }
  const waiting = new Waiting(options.ranks ?? alone, options.say ?? (() => {}));
  while (!isFinished(state, options.config)) {
    const before = state.step;
    const { isStopped, ...reached } = await trainEpoch(options, state, waiting);
    state = reached.state;
    if (state.step > before) await options.save(state, false);
    const finished = isStopped ? undefined : await finishEpoch(options, state);
    if (finished === undefined) return state;
    state = finished;
  }
  return state;
}

/** Runs the remaining steps of the current epoch; stops between two steps if asked to. */
async function trainEpoch(
  options: LoopOptions,
  state: TrainingState,
  waiting: Waiting,
): Promise<{ readonly state: TrainingState; readonly isStopped: boolean }> {
  const { config, stepsPerEpoch, signal, ranks = alone } = options;
  const parts = partsOf(config);
  const steps = stepsOfEpoch(options, state.epoch);
  const total = Math.min(config.epochs * stepsPerEpoch, config.maxSteps ?? Number.POSITIVE_INFINITY);
  let { step, sums } = state;
  const [stopping] = await totalOf(ranks, [Number(signal.aborted)]);
  let isStopped = stopping! > 0;
  if (isStopped || step >= steps) return { state, isStopped };
  /** Sums over the parts of the current step, on this rank. */
  let own = noOwn;
  let mark = performance.now();
  let saved = mark;
  let part = 0;
  for await (const { images, labels } of options.batches(state.epoch, step * parts)) {
    const arrived = performance.now();
    const rates = ratesAt(options, state.epoch, step);
    const where = `epoch ${state.epoch + 1}, step ${step + 1} of ${steps}`;
    const index = state.epoch * stepsPerEpoch + step;
    // With several ranks, none may stop alone: the others would wait. And the first part of a step has updated running
    // statistics: once it is done, the step is finished.
    const stop = ranks.count === 1 && part === 0 ? signal : undefined;
    const running = options.step.run(images, labels, rates, { index, where, part, parts, signal: stop });
    const result = await unlessAborted(stop, running);
    if (result === undefined) {
      isStopped = true;
      break;
    }
    const { loss, correct } = result;
    const count = images.shape[0]!;
    own = { loss: own.loss + loss * count, correct: own.correct + correct, images: own.images + count };
    const done = performance.now();
    sums = {
      ...sums,
      seconds: sums.seconds + (done - mark) / 1000,
      waitSeconds: sums.waitSeconds + (arrived - mark) / 1000,
    };
    mark = done;
    part = (part + 1) % parts;
    // Saving only happens between two steps.
    if (part > 0) continue;
    step++;
    const isLong = mark - saved >= 1000 * (options.saveEverySeconds ?? 900);
    const [lossOfAll, correctOfAll, imagesOfAll, stops, saves, ...waited] = await totalOf(ranks, [
      ...[own.loss, own.correct, own.images, Number(signal.aborted)],
      // Only rank 0's clock decides.
      Number(isLong && ranks.rank === 0),
      ...waiting.own(),
    ]);
    if (ranks.count > 1) waiting.add(waited);
    own = noOwn;
    sums = {
      ...sums,
      loss: sums.loss + lossOfAll!,
      correct: sums.correct + correctOfAll!,
      images: sums.images + imagesOfAll!,
    };
    options.onStep({
      epoch: state.epoch,
      epochs: config.epochs,
      step,
      steps,
      left: total - state.epoch * stepsPerEpoch - step,
      loss: sums.loss / sums.images,
      top1: (100 * sums.correct) / sums.images,
      imagesPerSecond: sums.images / sums.seconds,
      learningRate: rates.rate,
    });
    await turn();
    // With several ranks, all learn of it in the same step.
    isStopped = ranks.count === 1 ? signal.aborted : stops! > 0;
    if (isStopped || step === steps) break;
    if (saves! > 0) {
      await options.save({ ...state, step, sums }, false);
      mark = performance.now();
      saved = mark;
    }
  }
  return { state: { ...state, step, sums }, isStopped };
}

const noOwn = { loss: 0, correct: 0, images: 0 };

/** Validates and saves an epoch; `undefined` if the validation was stopped. */
async function finishEpoch(options: LoopOptions, state: TrainingState): Promise<TrainingState | undefined> {
  const { sums } = state;
  const evaluations = await options.evaluate();
  if (evaluations === undefined) return undefined;
  const { weights, average } = evaluations;
  for (const [evaluation, of] of [
    [weights, ""] as const,
    ...(average ? [[average, " of the average"] as const] : []),
  ]) {
    if (Number.isFinite(evaluation.loss)) continue;
    // Such a checkpoint could not be read back, and weights without a finite loss are never the best.
    throw new SenetError("training", `the validation loss${of} is not a finite number`, {
      where: `epoch ${state.epoch + 1}, after its last step`,
      found: `${evaluation.loss}, with a training loss of ${sums.loss / sums.images}`,
      hint: divergedHint,
    });
  }
  const metrics: EpochMetrics = {
    epoch: state.epoch,
    learningRate: ratesAt(options, state.epoch, stepsOfEpoch(options, state.epoch) - 1).rate,
    trainLoss: sums.loss / sums.images,
    trainTop1Error: 100 - (100 * sums.correct) / sums.images,
    validationLoss: weights.loss,
    validationTop1Error: weights.top1Error,
    validationTop5Error: weights.top5Error,
    ...(average && {
      averageLoss: average.loss,
      averageTop1Error: average.top1Error,
      averageTop5Error: average.top5Error,
    }),
    seconds: sums.seconds,
    imagesPerSecond: sums.images / sums.seconds,
    waitShare: sums.waitSeconds / sums.seconds,
  };
  const isBest = isBestAfter(state.history, metrics);
  const next: TrainingState = {
    epoch: state.epoch + 1,
    step: 0,
    sums: noSums,
    bestTop1Error: isBest ? errorOf(metrics) : state.bestTop1Error,
    history: [...state.history, metrics],
  };
  await options.save(next, isBest);
  options.onEpoch(metrics, isBest);
  return next;
}

function ratesAt({ config, stepsPerEpoch }: LoopOptions, epoch: number, step: number): StepRates {
  const schedule = { ...config, learningRate: learningRateOf(config) };
  const index = epoch * stepsPerEpoch + step;
  const momentum = momentumAt(schedule, index, stepsPerEpoch);
  return { rate: learningRateAt(schedule, index, stepsPerEpoch), ...(momentum !== undefined && { momentum }) };
}
