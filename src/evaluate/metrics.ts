/** Top-k counts and losses from logits. */

import type { Tensor } from "../tensor.ts";
import { softmaxRow } from "./probabilities.ts";

/**
 * Number of other classes at least as likely as the label, by logits or probabilities: 0 if the label is the single
 * best. Ties and NaN count against the prediction.
 */
export function rankOf(values: ArrayLike<number>, label: number): number {
  const target = values[label]!;
  let rank = 0;
  for (let j = 0; j < values.length; j++) if (j !== label && !(values[j]! < target)) rank++;
  return rank;
}

/** With fewer classes, five guesses are nearly all of them, and a top-5 error means nothing. */
const leastForTopFive = 6;

/** Whether a top-5 error means anything for this number of classes. */
export const hasTopFive = (classes: number): boolean => classes >= leastForTopFive;

/** Text about a top-5 error; empty if there is none (`null`). */
export const topFive = (error: number | null, say: (error: number) => string): string =>
  error === null ? "" : say(error);

/** A view of one row of `[N,K]`. */
export function rowOf({ shape, data }: Tensor, row: number): ArrayLike<number> {
  return data.subarray(row * shape[1]!, (row + 1) * shape[1]!);
}

/** Number of rows of `logits [N,K]` whose label is among the `k` largest. */
export function countCorrect(logits: Tensor, labels: Tensor, k: number): number {
  let correct = 0;
  for (let row = 0; row < labels.data.length; row++) if (rankOf(rowOf(logits, row), labels.data[row]!) < k) correct++;
  return correct;
}

/** The mean of the probabilities in `count` rows of `logits [N,K]` from `first` on. */
export function meanSoftmax(logits: Tensor, first: number, count: number): Float64Array {
  const mean = softmaxRow(logits, first);
  for (let row = first + 1; row < first + count; row++) {
    for (const [j, probability] of softmaxRow(logits, row).entries()) mean[j]! += probability;
  }
  return count === 1 ? mean : mean.map((sum) => sum / count);
}
