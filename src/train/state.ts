/** Where a training run stands: types, and the schemas that hold a checkpoint's JSON to them. */

import { z } from "zod";

const number = z.number();

/** One row of `metrics.csv`. Errors in percent, rates in pictures a second. */
const epochMetricsSchema = z.strictObject({
  epoch: number,
  learningRate: number,
  trainLoss: number,
  trainTop1Error: number,
  validationLoss: number,
  validationTop1Error: number,
  validationTop5Error: number,
  seconds: number,
  imagesPerSecond: number,
  /** Part of the training time in which the step waited for pictures. */
  waitShare: number,
});
export type EpochMetrics = z.infer<typeof epochMetricsSchema>;

/** Sums over the steps of the epoch under way. */
const epochSumsSchema = z.strictObject({
  loss: number,
  correct: number,
  images: number,
  seconds: number,
  waitSeconds: number,
});
export type EpochSums = z.infer<typeof epochSumsSchema>;

/** Together with the weights and velocities enough to go on as if the run had never stopped. */
export const trainingStateSchema = z.strictObject({
  /** The epoch under way, from 0. */
  epoch: number,
  /** Steps of it that are done. */
  step: number,
  sums: epochSumsSchema,
  /** Lowest top-1 error so far; `null` before the first evaluation. */
  bestTop1Error: number.nullable(),
  history: z.array(epochMetricsSchema),
});
export type TrainingState = z.infer<typeof trainingStateSchema>;

export const noSums: EpochSums = { loss: 0, correct: 0, images: 0, seconds: 0, waitSeconds: 0 };
export const initialState: TrainingState = { epoch: 0, step: 0, sums: noSums, bestTop1Error: null, history: [] };
