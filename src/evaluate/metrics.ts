/** Top-k counts and losses from logits. */

import type { Tensor } from "../tensor.ts";
import { softmaxRow } from "./probabilities.ts";

/**
 * How many classes are at least as likely as the right one, by logits or probabilities: 0 when it is the single best.
 * Ties and values that are not numbers count against the prediction.
 */
export function rankOf(values: ArrayLike<number>, label: number): number {
  const target = values[label]!;
  let rank = 0;
  for (let j = 0; j < values.length; j++) if (j !== label && !(values[j]! < target)) rank++;
  return rank;
}

/** Fewer classes than this, and five guesses are nearly all there are: nobody speaks of a top-5 error then. */
const leastForTopFive = 6;

/** Whether the top-5 error of a network of so many classes says anything. */
export const hasTopFive = (classes: number): boolean => classes >= leastForTopFive;

/** What is said of a top-5 error, or nothing where there is none (`null`). */
export const topFive = (error: number | null, say: (error: number) => string): string =>
  error === null ? "" : say(error);

/** One row of `[N,K]`, as a view. */
export function rowOf({ shape, data }: Tensor, row: number): ArrayLike<number> {
  return data.subarray(row * shape[1]!, (row + 1) * shape[1]!);
}

/** Rows of `logits [N,K]` whose label is among the `k` largest. */
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
