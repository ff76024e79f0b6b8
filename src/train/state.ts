/** Where a training run stands: types, and the schemas that hold a checkpoint's JSON to them. */

import * as z from "../schema.ts";

const number = z.number();
const positive = number.check(z.gte(0));
const percent = number.check(z.gte(0), z.lte(100));
/** More than any run has: a number beyond is no count. */
const count = z.int().check(z.gte(0), z.lte(1e9));

/** One row of `metrics.csv`. Errors in percent, rates in pictures a second. */
const epochMetricsSchema = z.strictObject({
  epoch: count,
  learningRate: positive,
  trainLoss: number,
  trainTop1Error: percent,
  validationLoss: number,
  validationTop1Error: percent,
  /** `null` below six classes. */
  validationTop5Error: z.nullable(percent),
  /** The same of the moving average, in runs that keep one. */
  averageLoss: z.optional(number),
  averageTop1Error: z.optional(percent),
  averageTop5Error: z.optional(z.nullable(percent)),
  seconds: positive,
  imagesPerSecond: positive,
  /** Part of the training time in which the step waited for pictures. */
  waitShare: positive,
});
export type EpochMetrics = z.output<typeof epochMetricsSchema>;

/** Sums over the steps of the epoch under way. */
const epochSumsSchema = z
  .strictObject({ loss: number, correct: count, images: count, seconds: positive, waitSeconds: positive })
  .check(z.refine(({ correct, images }) => correct <= images, "at most as many correct pictures as pictures"));
export type EpochSums = z.output<typeof epochSumsSchema>;

/** Together with the weights and the optimiser's state enough to go on as if the run had never stopped. */
export const trainingStateSchema = z
  .strictObject({
    /** The epoch under way, from 0. */
    epoch: count,
    /** Steps of it that are done; where that is all of them, its validation is not done. */
    step: count,
    sums: epochSumsSchema,
    /** Lowest top-1 error so far; `null` before the first evaluation. */
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

/** Why no run of so many epochs can be in this state; `undefined` where one can. */
export function impossible({ epoch, step }: TrainingState, epochs: number): string | undefined {
  if (epoch > epochs) return `epoch ${epoch + 1} of ${epochs}`;
  return epoch === epochs && step > 0 ? `step ${step} after the last epoch` : undefined;
}

/** What an epoch is judged by: the average where there is one. */
export const errorOf = ({ averageTop1Error, validationTop1Error }: EpochMetrics): number =>
  averageTop1Error ?? validationTop1Error;

/** Whether there is nothing left to do: all epochs are done, or so many that none was better than an earlier one. */
export function isFinished(
  { epoch, history }: TrainingState,
  { epochs, patience }: { readonly epochs: number; readonly patience: number | null },
): boolean {
  if (epoch >= epochs) return true;
  const errors = history.map(errorOf);
  const best = errors.indexOf(Math.min(...errors));
  return patience !== null && history.length - 1 - best >= patience;
}

export const noSums: EpochSums = { loss: 0, correct: 0, images: 0, seconds: 0, waitSeconds: 0 };
export const initialState: TrainingState = { epoch: 0, step: 0, sums: noSums, bestTop1Error: null, history: [] };
