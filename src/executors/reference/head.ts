/** Probabilities and the loss. */

import type { Op } from "../../ir/ops.ts";
import type { Tensor } from "../../tensor.ts";
import { labelOf } from "../labels.ts";
import type { Kernel } from "./kernel.ts";

type HeadOp = Extract<Op, "softmax" | "softmaxCrossEntropy" | "softmaxCrossEntropyBackward">;

/** The logarithms of the probabilities of row `n`. The largest logit is taken out first, so that nothing overflows. */
function logSoftmax(logits: Tensor, n: number): Float64Array {
  const classes = logits.shape[1]!;
  const row = Float64Array.from(logits.data.subarray(n * classes, (n + 1) * classes));
  let most = -Infinity;
  for (const logit of row) most = Math.max(most, logit);
  let sum = 0;
  for (const logit of row) sum += Math.exp(logit - most);
  const normaliser = most + Math.log(sum);
  return row.map((logit) => logit - normaliser);
}

export const headKernels: { readonly [K in HeadOp]: Kernel<K> } = {
  softmax([x], [y]) {
    const [batch, classes] = x.shape as [number, number];
    for (let n = 0; n < batch; n++) y.data.set(logSoftmax(x, n).map(Math.exp), n * classes);
  },

  softmaxCrossEntropy([logits, labels], [loss], { labelSmoothing }) {
    const [batch, classes] = logits.shape as [number, number];
    let sum = 0;
    for (let n = 0; n < batch; n++) {
      const logarithms = logSoftmax(logits, n);
      const everywhere = logarithms.reduce((total, logarithm) => total + logarithm) / classes;
      sum -= (1 - labelSmoothing) * logarithms[labelOf(labels.data, n, classes)]! + labelSmoothing * everywhere;
    }
    loss.data[0] = sum / batch;
  },

  softmaxCrossEntropyBackward([logits, labels, dloss], [dlogits], { labelSmoothing }) {
    const [batch, classes] = logits.shape as [number, number];
    const scale = dloss.data[0]! / batch;
    for (let n = 0; n < batch; n++) {
      const logarithms = logSoftmax(logits, n);
      const label = labelOf(labels.data, n, classes);
      for (let k = 0; k < classes; k++) {
        const target = (k === label ? 1 - labelSmoothing : 0) + labelSmoothing / classes;
        dlogits.data[n * classes + k] = scale * (Math.exp(logarithms[k]!) - target);
      }
    }
  },
};
