/** From logits to the most probable classes. */

import type { Tensor } from "../tensor.ts";

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

/** The indices of the `k` largest values, largest first; lower indices first among equals. */
export function topK(values: ArrayLike<number>, k: number): number[] {
  return Array.from({ length: values.length }, (_, i) => i)
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .slice(0, k);
}
