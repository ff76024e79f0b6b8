/** Top-k counts and losses from logits. */

import type { Tensor } from "../tensor.ts";

/**
 * How many classes are at least as likely as the right one: 0 when it is the single best.
 * Ties and values that are not numbers count against the prediction.
 */
export function rankOf(logits: Tensor, row: number, label: number): number {
  const classes = logits.shape[1]!;
  const start = row * classes;
  const target = logits.data[start + label]!;
  let rank = 0;
  for (let j = 0; j < classes; j++) if (j !== label && !(logits.data[start + j]! < target)) rank++;
  return rank;
}

/** Rows of `logits [N,K]` whose label is among the `k` largest. */
export function countCorrect(logits: Tensor, labels: Tensor, k: number): number {
  let correct = 0;
  for (let row = 0; row < labels.data.length; row++) if (rankOf(logits, row, labels.data[row]!) < k) correct++;
  return correct;
}

/** The probabilities of one row of `logits [N,K]`, in double precision. */
export function softmaxRow(logits: Tensor, row: number): Float64Array {
  const classes = logits.shape[1]!;
  const result = Float64Array.from(logits.data.subarray(row * classes, (row + 1) * classes));
  const largest = result.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (let j = 0; j < classes; j++) {
    result[j] = Math.exp(result[j]! - largest);
    sum += result[j]!;
  }
  for (let j = 0; j < classes; j++) result[j]! /= sum;
  return result;
}

/** The indices of the `k` largest values, largest first; of equals the lower index. */
export function topK(values: ArrayLike<number>, k: number): number[] {
  return Array.from({ length: values.length }, (_, i) => i)
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .slice(0, k);
}
