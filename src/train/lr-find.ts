/**
 * The learning-rate finder: a short trial in which the rate rises from step to step until the loss explodes (Smith,
 * arXiv 1506.01186, section 3.3), and the usual ways to read a rate from the curve.
 */

import { SenetError } from "../errors.ts";
import { turn } from "../event-loop.ts";
import type { TrainingBatch } from "./loop.ts";
import type { BatchResult, TrainingStep } from "./step.ts";

export interface RateTrial {
  /** Rates of the first and the last step; they grow by the same factor at each step. */
  readonly from: number;
  readonly to: number;
  readonly steps: number;
}

export interface RatePoint {
  readonly rate: number;
  /** Loss of the step's batch, before its update. */
  readonly loss: number;
  /** Running mean of the loss; the curve shows it, and suggestions are read from it. */
  readonly smoothed: number;
}

/** Rates read from the curve. */
export interface RateSuggestions {
  /** Middle of the longest fall (fastai's `valley`): the one to use. */
  readonly valley: number;
  /** The rate at which the loss falls fastest. */
  readonly steepest: number;
  /** A tenth of the rate at which the loss is lowest. */
  readonly minimum: number;
}

/** The rate of a step of the trial, counted from 0. */
export const trialRate = ({ from, to, steps }: RateTrial, step: number): number =>
  from * (to / from) ** (step / (steps - 1));

/** @throws SenetError `usage` where the trial is impossible */
export function checkTrial({ from, to, steps }: RateTrial): void {
  const isRising = from > 0 && to > from && Number.isFinite(to);
  if (isRising && Number.isInteger(steps) && steps >= 2) return;
  throw new SenetError("usage", "a trial of learning rates cannot be like this", {
    expected: "a first rate above 0, a last one above the first, and at least 2 steps",
    found: `rates from ${from} to ${to} in ${steps} steps`,
  });
}

/** Weight of the old value in the running mean, as in fastai. */
const kept = 0.98;
/** The trial ends when the loss is this many times the lowest. */
const exploded = 4;

export interface TrialOptions extends RateTrial {
  readonly step: Pick<TrainingStep, "run">;
  /** At least as many as there are steps; may be endless. */
  readonly batches: AsyncIterable<TrainingBatch>;
  /** Number of batches per step; default 1. */
  readonly parts?: number;
  readonly onPoint?: (point: RatePoint, step: number) => void;
  readonly signal?: AbortSignal;
}

/** Runs the trial. @throws the reason of `signal` if it stopped the trial */
export async function tryRates(options: TrialOptions): Promise<RatePoint[]> {
  const { step, batches, parts = 1, onPoint, signal, ...trial } = options;
  const points: RatePoint[] = [];
  let mean = 0;
  let lowest = Number.POSITIVE_INFINITY;
  let [part, sum] = [0, 0];
  for await (const { images, labels } of batches) {
    signal?.throwIfAborted();
    const index = points.length;
    const rate = trialRate(trial, index);
    const partLoss = await numberOf(step.run(images, labels, rate, { index, part, parts }));
    if (partLoss === undefined) break;
    sum += partLoss;
    part = (part + 1) % parts;
    if (part > 0) continue;
    const loss = sum / parts;
    sum = 0;
    mean = kept * mean + (1 - kept) * loss;
    // Corrects for the zero that the mean started from.
    const smoothed = mean / (1 - kept ** (index + 1));
    const point = { rate, loss, smoothed };
    points.push(point);
    onPoint?.(point, index);
    lowest = Math.min(lowest, smoothed);
    if (smoothed > exploded * lowest || points.length === trial.steps) break;
    await turn();
  }
  return points;
}

/** The loss; `undefined` if it is not finite. */
async function numberOf(result: Promise<BatchResult>): Promise<number | undefined> {
  try {
    return (await result).loss;
  } catch (error) {
    if (error instanceof SenetError && error.code === "training") return undefined;
    throw error;
  }
}

/** Fewest points from which a rate can be read. */
const fewest = 8;

/** Reads rates from the curve. @throws SenetError `training` where it is too short or never falls */
export function suggestRates(points: readonly RatePoint[]): RateSuggestions {
  // Skips the first tenth, a mean of few losses, and the last points, where the loss explodes.
  const read = points.slice(Math.floor(points.length / 10), Math.max(0, points.length - 5));
  const { start, end } = longestFall(read.map(({ smoothed }) => smoothed));
  if (read.length < fewest || end - start < 3) {
    throw new SenetError("training", "no learning rate can be read from this trial", {
      expected: "a loss that falls before it rises",
      found: `${points.length} steps, of which ${Math.max(0, end - start)} fall`,
      hint: "a smaller first rate, more steps, or larger batches",
    });
  }
  const slopes = read.slice(1).map((point, i) => point.smoothed - read[i]!.smoothed);
  const lowest = (values: readonly number[]) => values.indexOf(Math.min(...values));
  return {
    valley: read[Math.floor((start + end) / 2)]!.rate,
    steepest: read[lowest(slopes)]!.rate,
    minimum: read[lowest(read.map(({ smoothed }) => smoothed))]!.rate / 10,
  };
}

/**
 * The longest decreasing subsequence: its last index, and as in fastai its first index as if its values were
 * neighbours, so that a plateau before the fall does not count.
 */
function longestFall(values: readonly number[]): { readonly start: number; readonly end: number } {
  const lengths = values.map(() => 1);
  let end = 0;
  for (let i = 1; i < values.length; i++) {
    for (let j = 0; j < i; j++) if (values[i]! < values[j]!) lengths[i] = Math.max(lengths[i]!, lengths[j]! + 1);
    if (lengths[i]! > lengths[end]!) end = i;
  }
  return { start: Math.max(0, end - (lengths[end] ?? 0) + 1), end };
}
