/** Mean and variance of what several processes have as many numbers of. */

import type { TensorData } from "../tensor.ts";
import type { SumOverRanks } from "./executor.ts";

/** @param mean of each channel here; afterwards of all, as `variance` */
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
    // Doubles of numbers in float32: what is lost in the difference is nothing beside their own rounding.
    variance[c] = Math.max(0, sums[channels + c]! / ranks - all ** 2);
  }
}
