/** Weights of classes in the loss, for data that has far more pictures of some classes than of others. */

import type { Tensor } from "../tensor.ts";

/**
 * Each class weighs as if there were as many pictures of it as of any other, and the mean over all pictures is 1
 * (scikit-learn's and Keras's `balanced`): pictures / (classes · pictures of the class).
 * @param counts pictures of each class; one without pictures weighs 1
 */
export function balancedWeights(counts: readonly number[]): readonly number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => (count === 0 ? 1 : total / (counts.length * count)));
}

/**
 * Targets under which the mean loss weighs classes: PyTorch's weighted cross-entropy of soft targets, and of labels the
 * mean of the weighted losses over the batch, as Keras has it.
 * @param targets `[N,classes]`
 */
export function weightedTargets({ data, shape, dtype }: Tensor, weights: readonly number[]): Tensor {
  const classes = weights.length;
  return { shape, dtype, data: data.map((value, i) => value * weights[i % classes]!) };
}
