/**
 * Which learning rate to train with: a short trial in which it rises from step to step until the loss explodes (Smith,
 * arXiv 1506.01186, section 3.3), and what others read from such curves.
 */

import { SenetError } from "../errors.ts";
import { turn } from "../event-loop.ts";
import type { TrainingBatch } from "./loop.ts";
import type { BatchResult, TrainingStep } from "./step.ts";

export interface RateTrial {
  /** The rates of the first and the last step; each is the same factor higher than the one before. */
  readonly from: number;
  readonly to: number;
  readonly steps: number;
}

export interface RatePoint {
  readonly rate: number;
  /** Of the step's batch, before its update. */
  readonly loss: number;
  /** A running mean of it, which is what the curve shows and what suggestions are read from. */
  readonly smoothed: number;
}

/** Where rates are read from a curve. */
export interface RateSuggestions {
  /** In the middle of the longest fall (fastai's `valley`): what to take. */
  readonly valley: number;
  /** Where the loss falls fastest. */
  readonly steepest: number;
  /** A tenth of the rate at which the loss is lowest. */
  readonly minimum: number;
}

/** The rate of a step of the trial, from 0. */
export const trialRate = ({ from, to, steps }: RateTrial, step: number): number =>
  from * (to / from) ** (step / (steps - 1));

/** @throws SenetError `usage` where no such trial can be made */
export function checkTrial({ from, to, steps }: RateTrial): void {
  const isRising = from > 0 && to > from && Number.isFinite(to);
  if (isRising && Number.isInteger(steps) && steps >= 2) return;
  throw new SenetError("usage", "a trial of learning rates cannot be like this", {
    expected: "a first rate above 0, a last one above the first, and at least 2 steps",
    found: `rates from ${from} to ${to} in ${steps} steps`,
  });
}

/** Of the running mean, how much is kept at each step; as fastai has it. */
const kept = 0.98;
/** The trial ends where the loss is so many times the lowest. */
const exploded = 4;

export interface TrialOptions extends RateTrial {
  readonly step: Pick<TrainingStep, "run">;
  /** As many as there are steps; without end is fine. */
  readonly batches: AsyncIterable<TrainingBatch>;
  /** How many batches make a step; default 1. */
  readonly parts?: number;
  readonly onPoint?: (point: RatePoint, step: number) => void;
  readonly signal?: AbortSignal;
}

/** @throws the reason of `signal` where that stopped it */
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
    // Without the weight of the zero that the mean began with.
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

/** The loss; `undefined` where it is not a number any more. */
async function numberOf(result: Promise<BatchResult>): Promise<number | undefined> {
  try {
    return (await result).loss;
  } catch (error) {
    if (error instanceof SenetError && error.code === "training") return undefined;
    throw error;
  }
}

/** Points from which anything can be read. */
const fewest = 8;

/** @throws SenetError `training` where the curve is too short, or never falls */
export function suggestRates(points: readonly RatePoint[]): RateSuggestions {
  // The first tenth is of a mean of few losses, the last ones are of the explosion.
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
 * The longest series of values, not necessarily neighbours, of which each is lower than the one before: its last place, and
 * as fastai has it the first one as if they were neighbours, so that a plain before the fall does not count.
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
