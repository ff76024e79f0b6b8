/** Batch normalisation (Ioffe and Szegedy, 2015), its gradient, and the running statistics. */

import type { Op } from "../../ir/ops.ts";
import { type Kernel, planes } from "./kernel.ts";

type NormalisationOp = Extract<
  Op,
  "batchNorm" | "batchNormTraining" | "batchNormBackward" | "batchNormFrozenBackward" | "runningAverage"
>;

export const normalisationKernels: { readonly [K in NormalisationOp]: Kernel<K> } = {
  batchNorm([x, gamma, beta, mean, variance], [y], { eps }) {
    const { batch, channels, size } = planes(x.shape);
    for (let c = 0; c < channels; c++) {
      const scale = gamma.data[c]! / Math.sqrt(variance.data[c]! + eps);
      const [m, shift] = [mean.data[c]!, beta.data[c]!];
      for (let n = 0; n < batch; n++) {
        const start = (n * channels + c) * size;
        for (let i = start; i < start + size; i++) y.data[i] = (x.data[i]! - m) * scale + shift;
      }
    }
  },

  batchNormTraining([x, gamma, beta], [y, mean, variance], { eps }) {
    const { batch, channels, size } = planes(x.shape);
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let n = 0; n < batch; n++) {
        const start = (n * channels + c) * size;
        for (let i = start; i < start + size; i++) sum += x.data[i]!;
      }
      const m = sum / (batch * size);
      // Two passes, since E[x²] − E[x]² would lose digits for a channel far from zero.
      let squares = 0;
      for (let n = 0; n < batch; n++) {
        const start = (n * channels + c) * size;
        for (let i = start; i < start + size; i++) squares += (x.data[i]! - m) ** 2;
      }
      const v = squares / (batch * size);
      const scale = gamma.data[c]! / Math.sqrt(v + eps);
      const shift = beta.data[c]!;
      for (let n = 0; n < batch; n++) {
        const start = (n * channels + c) * size;
        for (let i = start; i < start + size; i++) y.data[i] = (x.data[i]! - m) * scale + shift;
      }
      mean.data[c] = m;
      variance.data[c] = v;
    }
  },

  // With x̂ = (x − mean) / σ and means over the batch: dx = γ/σ · (dy − mean(dy) − x̂ · mean(dy · x̂)).
  batchNormBackward([x, gamma, mean, variance, dy], [dx, dgamma, dbeta], { eps }) {
    const { batch, channels, size } = planes(x.shape);
    const count = batch * size;
    for (let c = 0; c < channels; c++) {
      const m = mean.data[c]!;
      const inverse = 1 / Math.sqrt(variance.data[c]! + eps);
      let sum = 0;
      let sumNormalised = 0;
      for (let n = 0; n < batch; n++) {
        const start = (n * channels + c) * size;
        for (let i = start; i < start + size; i++) {
          sum += dy.data[i]!;
          sumNormalised += dy.data[i]! * (x.data[i]! - m) * inverse;
        }
      }
      const scale = gamma.data[c]! * inverse;
      for (let n = 0; n < batch; n++) {
        const start = (n * channels + c) * size;
        for (let i = start; i < start + size; i++) {
          const normalised = (x.data[i]! - m) * inverse;
          dx.data[i] = scale * (dy.data[i]! - sum / count - (normalised * sumNormalised) / count);
        }
      }
      dgamma.data[c] = sumNormalised;
      dbeta.data[c] = sum;
    }
  },

  batchNormFrozenBackward([x, gamma, mean, variance, dy], [dx, dgamma, dbeta], { eps }) {
    const { batch, channels, size } = planes(x.shape);
    for (let c = 0; c < channels; c++) {
      const m = mean.data[c]!;
      const inverse = 1 / Math.sqrt(variance.data[c]! + eps);
      const scale = gamma.data[c]! * inverse;
      let sum = 0;
      let sumNormalised = 0;
      for (let n = 0; n < batch; n++) {
        const start = (n * channels + c) * size;
        for (let i = start; i < start + size; i++) {
          sum += dy.data[i]!;
          sumNormalised += dy.data[i]! * (x.data[i]! - m) * inverse;
          dx.data[i] = scale * dy.data[i]!;
        }
      }
      dgamma.data[c] = sumNormalised;
      dbeta.data[c] = sum;
    }
  },

  runningAverage([running, batch], [y], { decay, scale }) {
    for (let i = 0; i < y.data.length; i++) {
      y.data[i] = decay * running.data[i]! + (1 - decay) * scale * batch.data[i]!;
    }
  },
};
