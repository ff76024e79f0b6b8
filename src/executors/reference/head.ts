/** Probabilities and the loss. */

import type { Op } from "../../ir/ops.ts";
import { crossEntropy, crossEntropyBackward, softmax } from "../loss.ts";
import type { Kernel } from "./kernel.ts";

type HeadOp = Extract<Op, "softmax" | "softmaxCrossEntropy" | "softmaxCrossEntropyBackward">;

export const headKernels: { readonly [K in HeadOp]: Kernel<K> } = {
  softmax([x], [y]) {
    softmax(x.data, x.shape[0]!, y.data);
  },

  softmaxCrossEntropy([logits, labels], [loss], { labelSmoothing }) {
    loss.data[0] = crossEntropy(logits.data, labels.data, labelSmoothing);
  },

  softmaxCrossEntropyBackward([logits, labels, dloss], [dlogits], { labelSmoothing }) {
    crossEntropyBackward(logits.data, labels.data, dloss.data[0]!, labelSmoothing, dlogits.data);
  },
};
