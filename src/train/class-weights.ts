/** Class weights in the loss, for data with many more pictures of some classes than of others. */

import type { Tensor } from "../tensor.ts";

/**
 * Weights under which all classes count alike, whatever their number of pictures, and the mean over all pictures is 1
 * (scikit-learn's and Keras's `balanced`): pictures / (classes · pictures of the class).
 * @param counts pictures of each class; a class without pictures gets weight 1
 */
export function balancedWeights(counts: readonly number[]): readonly number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => (count === 0 ? 1 : total / (counts.length * count)));
}

/**
 * Scales targets so that the mean loss is weighted by class. For soft targets this is PyTorch's weighted cross-entropy;
 * for labels it is the mean of the weighted losses over the batch, as in Keras.
 * @param targets `[N,classes]`
 */
export function weightedTargets({ data, shape, dtype }: Tensor, weights: readonly number[]): Tensor {
  const classes = weights.length;
  return { shape, dtype, data: data.map((value, i) => value * weights[i % classes]!) };
}
