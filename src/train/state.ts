/** The progress of a training run: types, and the schemas that check a checkpoint's JSON. */

import * as z from "../schema.ts";

const number = z.number();
const positive = number.check(z.gte(0));
const percent = number.check(z.gte(0), z.lte(100));
/** Counts beyond any real run are rejected. */
const count = z.int().check(z.gte(0), z.lte(1e9));

/** One row of `metrics.csv`. Errors in percent, rates in pictures per second. */
const epochMetricsSchema = z.strictObject({
  epoch: count,
  learningRate: positive,
  trainLoss: number,
  trainTop1Error: percent,
  validationLoss: number,
  validationTop1Error: percent,
  /** `null` if there are fewer than six classes. */
  validationTop5Error: z.nullable(percent),
  /** The same for the moving average, in runs that keep one. */
  averageLoss: z.optional(number),
  averageTop1Error: z.optional(percent),
  averageTop5Error: z.optional(z.nullable(percent)),
  seconds: positive,
  imagesPerSecond: positive,
  /** Share of the training time spent waiting for pictures. */
  waitShare: positive,
});
export type EpochMetrics = z.output<typeof epochMetricsSchema>;

/** Sums over the steps of the current epoch. */
const epochSumsSchema = z
  .strictObject({ loss: number, correct: count, images: count, seconds: positive, waitSeconds: positive })
  .check(z.refine(({ correct, images }) => correct <= images, "at most as many correct pictures as pictures"));
export type EpochSums = z.output<typeof epochSumsSchema>;

/** Together with weights and optimiser state, everything needed to continue as if the run had never stopped. */
export const trainingStateSchema = z
  .strictObject({
    /** The current epoch, from 0. */
    epoch: count,
    /** Steps of it that are done; if all are, its validation is not yet done. */
    step: count,
    sums: epochSumsSchema,
    /** Lowest top-1 error so far; `null` before the first validation. */
    bestTop1Error: z.nullable(percent),
    history: z.array(epochMetricsSchema),
  })
  .check(
    z.refine(({ history }) => history.every(({ epoch }, i) => epoch === i), "the epochs of the history in order"),
    z.refine(({ step, sums }) => (step === 0 ? sums.images === 0 : sums.images >= step), "pictures in each step"),
    z.refine(({ epoch, history }) => epoch === history.length, "a row of the history for each epoch before this one"),
    z.refine(
      ({ epoch, bestTop1Error }) => (epoch === 0) === (bestTop1Error === null),
      "a lowest error if and only if an epoch is finished",
    ),
  );
export type TrainingState = z.output<typeof trainingStateSchema>;

/** Why the state is impossible for a run of this many epochs; `undefined` if it is possible. */
export function impossible({ epoch, step }: TrainingState, epochs: number): string | undefined {
  if (epoch > epochs) return `epoch ${epoch + 1} of ${epochs}`;
  return epoch === epochs && step > 0 ? `step ${step} after the last epoch` : undefined;
}

/** The error by which an epoch is judged: the average's if there is one. */
export const errorOf = ({ averageTop1Error, validationTop1Error }: EpochMetrics): number =>
  averageTop1Error ?? validationTop1Error;

const lossOf = ({ averageLoss, validationLoss }: EpochMetrics): number => averageLoss ?? validationLoss;

/**
 * Orders epochs, the best first: by their errors; of equal ones, which are usual with few pictures to validate with, by
 * their losses; then by time.
 */
export const byQuality = (a: EpochMetrics, b: EpochMetrics): number =>
  errorOf(a) - errorOf(b) || lossOf(a) - lossOf(b) || a.epoch - b.epoch;

/** The epoch whose weights are kept as the best. @param history at least one epoch */
const bestOf = (history: readonly EpochMetrics[]): EpochMetrics =>
  history.reduce((best, row) => (byQuality(row, best) < 0 ? row : best));

/** Whether an epoch is better than all before it. */
export const isBestAfter = (history: readonly EpochMetrics[], row: EpochMetrics): boolean =>
  history.length === 0 || byQuality(row, bestOf(history)) < 0;

/** The errors in percent of the best epoch. @param history at least one epoch */
export function bestErrors(history: readonly EpochMetrics[]): {
  readonly top1Error: number;
  /** `null` below six classes. */
  readonly top5Error: number | null;
} {
  const best = bestOf(history);
  return {
    top1Error: errorOf(best),
    top5Error: best.averageTop1Error === undefined ? best.validationTop5Error : (best.averageTop5Error ?? null),
  };
}

/** Whether the run is over: all epochs are done, or early stopping's patience is used up. */
export function isFinished(
  { epoch, history }: TrainingState,
  { epochs, patience }: { readonly epochs: number; readonly patience: number | null },
): boolean {
  if (epoch >= epochs) return true;
  return patience !== null && history.length > 0 && history.length - 1 - bestOf(history).epoch >= patience;
}

export const noSums: EpochSums = { loss: 0, correct: 0, images: 0, seconds: 0, waitSeconds: 0 };
export const initialState: TrainingState = { epoch: 0, step: 0, sums: noSums, bestTop1Error: null, history: [] };
