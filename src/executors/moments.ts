/** Combines means and variances of several processes with equally many numbers. */

import type { TensorData } from "../tensor.ts";
import type { SumOverRanks } from "./executor.ts";

/** @param mean mean of each channel in this process; afterwards over all, as is `variance` */
export async function combinedMoments(
  mean: TensorData,
  variance: TensorData,
  ranks: number,
  sum: SumOverRanks,
): Promise<void> {
  const channels = mean.length;
  const sums = new Float64Array(2 * channels);
  for (let c = 0; c < channels; c++) {
    sums[c] = mean[c]!;
    sums[channels + c] = variance[c]! + mean[c]! ** 2;
  }
  await sum(sums);
  for (let c = 0; c < channels; c++) {
    const all = sums[c]! / ranks;
    mean[c] = all;
    // In double precision, cancellation loses less than the float32 values' own rounding.
    variance[c] = Math.max(0, sums[channels + c]! / ranks - all ** 2);
  }
}
