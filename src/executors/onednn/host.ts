/** What is done in TypeScript: the loss, on numbers that are few beside the network's. Same results as the reference. */

import { labelOf } from "../labels.ts";

/** `logits [N,K] → probabilities`, row by row. */
export function softmax(logits: Float32Array, rows: number, into: Float32Array): void {
  const classes = logits.length / rows;
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    let largest = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < classes; k++) largest = Math.max(largest, logits[start + k]!);
    let sum = 0;
    for (let k = 0; k < classes; k++) sum += Math.exp(logits[start + k]! - largest);
    for (let k = 0; k < classes; k++) into[start + k] = Math.exp(logits[start + k]! - largest) / sum;
  }
}

/** The mean over the rows; the target is `1 − smoothing` on the label and `smoothing / K` everywhere. */
export function crossEntropy(logits: Float32Array, labels: Int32Array, smoothing: number): number {
  const classes = logits.length / labels.length;
  let loss = 0;
  for (let row = 0; row < labels.length; row++) {
    const start = row * classes;
    let largest = Number.NEGATIVE_INFINITY;
    let mean = 0;
    for (let k = 0; k < classes; k++) {
      largest = Math.max(largest, logits[start + k]!);
      mean += logits[start + k]! / classes;
    }
    let sum = 0;
    for (let k = 0; k < classes; k++) sum += Math.exp(logits[start + k]! - largest);
    const target = (1 - smoothing) * logits[start + labelOf(labels, row, classes)]! + smoothing * mean;
    loss += largest + Math.log(sum) - target;
  }
  return loss / labels.length;
}

/** `dlogits = dloss / N · (softmax − target)` */
export function crossEntropyBackward(
  logits: Float32Array,
  labels: Int32Array,
  gradient: number,
  smoothing: number,
  into: Float32Array,
): void {
  const rows = labels.length;
  const classes = logits.length / rows;
  softmax(logits, rows, into);
  const scale = gradient / rows;
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    for (let k = 0; k < classes; k++) into[start + k] = scale * (into[start + k]! - smoothing / classes);
    into[start + labelOf(labels, row, classes)]! -= scale * (1 - smoothing);
  }
}

/** `w [O, I/groups, K...]` of a grouped convolution as that of `groups / merge` groups, with zeros between the old ones. */
export function mergeGroups(shape: GroupShape, from: Float32Array, into: Float32Array): void {
  eachGroupRow(shape, (small, large, length) => into.set(from.subarray(small, small + length), large));
}

/** The reverse: what the zeros' gradients are is nobody's business. */
export function splitGroups(shape: GroupShape, from: Float32Array, into: Float32Array): void {
  eachGroupRow(shape, (small, large, length) => into.set(from.subarray(large, large + length), small));
}

export interface GroupShape {
  /** Output channels of all groups. */
  readonly out: number;
  readonly groups: number;
  /** How many of them become one. */
  readonly merge: number;
  /** Input channels of one group, times the kernel's area. */
  readonly row: number;
}

function eachGroupRow(
  { out, groups, merge, row }: GroupShape,
  copy: (small: number, large: number, n: number) => void,
) {
  const outOfGroup = out / groups;
  for (let o = 0; o < out; o++) {
    const place = Math.floor(o / outOfGroup) % merge;
    copy(o * row, (o * merge + place) * row, row);
  }
}
