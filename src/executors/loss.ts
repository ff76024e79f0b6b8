/** Probabilities and the loss in TypeScript, row by row and in double precision: numbers that are few beside a network's. */

import { SenetError } from "../errors.ts";
import type { TensorData } from "../tensor.ts";

/** The logarithms of the probabilities of one row. The largest logit is taken out first, so that nothing overflows. */
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

/**
 * The mean over the rows; the target is `1 − smoothing` on the label and `smoothing / K` everywhere.
 * @throws SenetError `data` where a label is no class
 */
export function crossEntropy(logits: TensorData, labels: TensorData, smoothing: number): number {
  const rows = labels.length;
  const classes = logits.length / rows;
  let sum = 0;
  for (let n = 0; n < rows; n++) {
    const logarithms = logSoftmax(logits, n, classes);
    const everywhere = logarithms.reduce((total, logarithm) => total + logarithm) / classes;
    sum -= (1 - smoothing) * logarithms[labelOf(labels, n, classes)]! + smoothing * everywhere;
  }
  return sum / rows;
}

/**
 * `dlogits = dloss / N · (softmax − target)`
 * @throws SenetError `data` where a label is no class
 */
export function crossEntropyBackward(
  logits: TensorData,
  labels: TensorData,
  gradient: number,
  smoothing: number,
  into: TensorData,
): void {
  const rows = labels.length;
  const classes = logits.length / rows;
  const scale = gradient / rows;
  for (let n = 0; n < rows; n++) {
    const logarithms = logSoftmax(logits, n, classes);
    const label = labelOf(labels, n, classes);
    for (let k = 0; k < classes; k++) {
      const target = (k === label ? 1 - smoothing : 0) + smoothing / classes;
      into[n * classes + k] = scale * (Math.exp(logarithms[k]!) - target);
    }
  }
}

/** @throws SenetError `data` where the label is no class: it would silently train towards nothing. */
export function labelOf(labels: TensorData, n: number, classes: number): number {
  const label = labels[n]!;
  if (label < 0 || label >= classes) {
    throw new SenetError("data", "a label is no class of the network", {
      where: `label ${n} of the batch`,
      expected: `0 to ${classes - 1}`,
      found: `${label}`,
      hint: "build the network with as many classes as the data has",
    });
  }
  return label;
}
