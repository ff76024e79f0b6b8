/** Probabilities and losses in TypeScript, row by row and in double precision; cheap compared with the network. */

import type { TensorData } from "../tensor.ts";

/** Log-probabilities of one row. The largest logit is subtracted first, so that nothing overflows. */
function logSoftmax(logits: TensorData, row: number, classes: number): Float64Array {
  const numbers = Float64Array.from(logits.subarray(row * classes, (row + 1) * classes));
  let most = -Infinity;
  for (const logit of numbers) most = Math.max(most, logit);
  let sum = 0;
  for (const logit of numbers) sum += Math.exp(logit - most);
  const normaliser = most + Math.log(sum);
  return numbers.map((logit) => logit - normaliser);
}

/** `logits [N,K] → probabilities [N,K]` */
export function softmax(logits: TensorData, rows: number, into: TensorData): void {
  const classes = logits.length / rows;
  for (let n = 0; n < rows; n++) into.set(logSoftmax(logits, n, classes).map(Math.exp), n * classes);
}

/** A loss of `logits [N,K], targets [N,K]`, and its gradient with respect to the logits. */
export interface Loss {
  readonly value: (logits: TensorData, targets: TensorData, rows: number) => number;
  /** @param dloss the incoming gradient */
  readonly gradient: (logits: TensorData, targets: TensorData, rows: number, dloss: number, into: TensorData) => void;
}

/** The mean over the rows of `−Σ target · log softmax`. */
export const softmaxCrossEntropy: Loss = {
  value(logits, targets, rows) {
    const classes = logits.length / rows;
    let sum = 0;
    for (let n = 0; n < rows; n++) {
      const logarithms = logSoftmax(logits, n, classes);
      for (let k = 0; k < classes; k++) sum -= targets[n * classes + k]! * logarithms[k]!;
    }
    return sum / rows;
  },

  /** `dloss / N · (Σ target · softmax − target)` */
  gradient(logits, targets, rows, dloss, into) {
    const classes = logits.length / rows;
    const scale = dloss / rows;
    for (let n = 0; n < rows; n++) {
      const logarithms = logSoftmax(logits, n, classes);
      let total = 0;
      for (let k = 0; k < classes; k++) total += targets[n * classes + k]!;
      for (let k = 0; k < classes; k++) {
        const at = n * classes + k;
        into[at] = scale * (total * Math.exp(logarithms[k]!) - targets[at]!);
      }
    }
  },
};

/** The mean over all elements of `log(1 + e^x) − target · x`, the cross-entropy of a sigmoid. */
export const binaryCrossEntropy: Loss = {
  value(logits, targets) {
    let sum = 0;
    for (let i = 0; i < logits.length; i++) {
      const x = logits[i]!;
      sum += Math.max(x, 0) - targets[i]! * x + Math.log1p(Math.exp(-Math.abs(x)));
    }
    return sum / logits.length;
  },

  /** `dloss / (N · K) · (sigmoid − target)` */
  gradient(logits, targets, _rows, dloss, into) {
    const scale = dloss / logits.length;
    for (let i = 0; i < logits.length; i++) into[i] = scale * (1 / (1 + Math.exp(-logits[i]!)) - targets[i]!);
  },
};
