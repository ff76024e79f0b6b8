/** Softmax and the losses. */

import type { Op } from "../../ir/ops.ts";
import { binaryCrossEntropy, type Loss, softmax, softmaxCrossEntropy } from "../loss.ts";
import type { Kernel } from "./kernel.ts";

type LossOp = "softmaxCrossEntropy" | "binaryCrossEntropy";
type HeadOp = Extract<Op, "softmax" | LossOp | `${LossOp}Backward`>;

const value =
  (loss: Loss): Kernel<LossOp> =>
  ([logits, targets], [result]) => {
    result.data[0] = loss.value(logits.data, targets.data, logits.shape[0]!);
  };

const gradient =
  (loss: Loss): Kernel<`${LossOp}Backward`> =>
  ([logits, targets, dloss], [dlogits]) => {
    loss.gradient(logits.data, targets.data, logits.shape[0]!, dloss.data[0]!, dlogits.data);
  };

export const headKernels: { readonly [K in HeadOp]: Kernel<K> } = {
  softmax([x], [y]) {
    softmax(x.data, x.shape[0]!, y.data);
  },
  softmaxCrossEntropy: value(softmaxCrossEntropy),
  softmaxCrossEntropyBackward: gradient(softmaxCrossEntropy),
  binaryCrossEntropy: value(binaryCrossEntropy),
  binaryCrossEntropyBackward: gradient(binaryCrossEntropy),
};
