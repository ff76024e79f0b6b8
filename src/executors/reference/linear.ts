/** The linear layer, its gradients, and the sum over all but the channel, which is the gradient of every bias. */

import type { Op } from "../../ir/ops.ts";
import { type Kernel, planes } from "./kernel.ts";
import { matrix, multiplyAdd, transposed } from "./multiply.ts";

type LinearOp = Extract<Op, "linear" | "linearBackwardInput" | "linearBackwardWeight" | "channelSum">;

export const linearKernels: { readonly [K in LinearOp]: Kernel<K> } = {
  linear([x, w, b], [y]) {
    const [batch, features] = x.shape as [number, number];
    const outputs = w.shape[0]!;
    const bias = b as typeof b | undefined;
    const result = Float64Array.from(y.data, (_, i) => bias?.data[i % outputs] ?? 0);
    const rows = matrix(Float64Array.from(x.data), features);
    const weights = matrix(Float64Array.from(w.data), features);
    multiplyAdd(batch, outputs, features, rows, transposed(weights), matrix(result, outputs));
    y.data.set(result);
  },

  linearBackwardInput([dy, w], [dx]) {
    const [outputs, features] = w.shape as [number, number];
    const result = new Float64Array(dx.data.length);
    const gradient = matrix(Float64Array.from(dy.data), outputs);
    const weights = matrix(Float64Array.from(w.data), features);
    multiplyAdd(dy.shape[0]!, features, outputs, gradient, weights, matrix(result, features));
    dx.data.set(result);
  },

  linearBackwardWeight([x, dy], [dw]) {
    const [outputs, features] = dw.shape as [number, number];
    const result = new Float64Array(dw.data.length);
    const gradient = matrix(Float64Array.from(dy.data), outputs);
    const rows = matrix(Float64Array.from(x.data), features);
    multiplyAdd(outputs, features, x.shape[0]!, transposed(gradient), rows, matrix(result, features));
    dw.data.set(result);
  },

  channelSum([x], [y]) {
    const { batch, channels, size } = planes(x.shape);
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let n = 0; n < batch; n++) {
        const start = (n * channels + c) * size;
        for (let i = start; i < start + size; i++) sum += x.data[i]!;
      }
      y.data[c] = sum;
    }
  },
};
