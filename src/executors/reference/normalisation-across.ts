/**
 * Batch norm and its gradient over several processes: the loops of normalisation.ts with sums over processes in
 * between.
 */

import type { Attrs } from "../../ir/ops.ts";
import type { SumOverRanks } from "../executor.ts";
import { combinedMoments } from "../moments.ts";
import { type Operands, planes } from "./kernel.ts";
import { normalisationKernels } from "./normalisation.ts";

/** Like `Kernel`, but asynchronous, since it waits for other processes. */
export type KernelAcross<K extends "batchNormTraining" | "batchNormBackward"> = (
  inputs: Operands,
  outputs: Operands,
  attrs: Attrs[K],
  sum: SumOverRanks,
) => Promise<void>;

export const batchNormAcross: KernelAcross<"batchNormTraining"> = async (inputs, outputs, attrs, sum) => {
  const [x, gamma, beta] = inputs;
  const [y, mean, variance] = outputs;
  normalisationKernels.batchNormTraining(inputs, outputs, attrs);
  await combinedMoments(mean.data, variance.data, attrs.ranks!, sum);
  normalisationKernels.batchNorm([x, gamma, beta, mean, variance], [y, y, y, y, y], attrs);
};

export const batchNormBackwardAcross: KernelAcross<"batchNormBackward"> = async (inputs, outputs, attrs, sum) => {
  const [x, gamma, mean, variance] = inputs;
  const [dx, dgamma, dbeta] = outputs;
  normalisationKernels.batchNormFrozenBackward(inputs, outputs, attrs);
  const { batch, channels, size } = planes(x.shape);
  const sums = Float64Array.of(...dgamma.data, ...dbeta.data);
  await sum(sums);
  const count = attrs.ranks! * batch * size;
  for (let c = 0; c < channels; c++) {
    const inverse = 1 / Math.sqrt(variance.data[c]! + attrs.eps);
    const scale = (gamma.data[c]! * inverse) / count;
    const [slope, offset] = [-scale * inverse * sums[c]!, -scale * sums[channels + c]!];
    for (let n = 0; n < batch; n++) {
      const start = (n * channels + c) * size;
      for (let i = start; i < start + size; i++) {
        dx.data[i] = dx.data[i]! + slope * (x.data[i]! - mean.data[c]!) + offset;
      }
    }
  }
};
