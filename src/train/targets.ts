/** Targets of the loss: one number per picture and class. */

import { configKey } from "../config-key.ts";
import { SenetError } from "../errors.ts";
import type { Type } from "../ir/graph.ts";
import * as z from "../schema.ts";
import { type Shape, sameShape, type Tensor, zeros } from "../tensor.ts";

export const lossKeys = {
  labelSmoothing: configKey(
    z._default(z.number().check(z.gte(0), z.lt(1)), 0),
    "part of each target that is spread over all classes",
  ),
  bceLoss: configKey(
    z._default(z.boolean(), false),
    "binary cross-entropy for each class instead of softmax cross-entropy",
  ),
  /**
   * With mixed pictures, every class in a picture counts fully, whatever its share (Wightman et al., arXiv 2110.00476).
   */
  bceTargetThresh: configKey(
    z._default(z.nullable(z.number().check(z.gte(0), z.lt(1))), null),
    "binary cross-entropy: targets above this become 1, others 0; default: unchanged",
    { value: "part" },
  ),
};

/**
 * Targets from labels with smoothing: `1 − smoothing` on the label plus `smoothing / K` everywhere (Szegedy et al.,
 * arXiv 1512.00567, section 7).
 * @param labels int32 `[N]`
 * @returns `[N,K]`, of type `type`
 * @throws SenetError `data` where a label is out of range: it would silently train towards nothing
 */
export function hardTargets(labels: Tensor, { dtype, shape }: Type, smoothing = 0): Tensor {
  const [rows, classes] = shape as [number, number];
  if (labels.data.length !== rows) unfit(labels.shape, `${rows} labels`);
  const targets = zeros(dtype, shape);
  targets.data.fill(smoothing / classes);
  for (const [row, label] of labels.data.entries()) {
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new SenetError("data", "a label is not one of the network's classes", {
        where: `label ${row} of the batch`,
        expected: `0 to ${classes - 1}`,
        found: `${label}`,
        hint: "build the network with as many classes as the data has",
      });
    }
    targets.data[row * classes + label]! += 1 - smoothing;
  }
  return targets;
}

/**
 * The targets of a batch in the form that the graph takes.
 * @param given labels int32 `[N]`, or targets `[N,K]`, which are used as they are
 * @throws SenetError `data` where a label is out of range, `shape` where the targets do not fit
 */
export function targetsOf(given: Tensor, type: Type, smoothing = 0): Tensor {
  if (given.dtype === "int32") return hardTargets(given, type, smoothing);
  if (!sameShape(given.shape, type.shape) || given.dtype !== type.dtype) {
    unfit(given.shape, `labels, or targets ${type.dtype}[${type.shape.join(", ")}]`);
  }
  return given;
}

/** Replaces targets above `threshold` by 1 and all others by 0, like timm's `--bce-target-thresh`. */
export function hardened({ dtype, shape, data }: Tensor, threshold: number): Tensor {
  const bound = dtype === "float32" ? Math.fround(threshold) : threshold;
  return { dtype, shape, data: data.map((target) => Number(target > bound)) };
}

/** The label of each row: the given one, or the class with the largest target. int32 `[N]` */
export function labelsOf(given: Tensor): Tensor {
  if (given.dtype === "int32") return given;
  const [rows, classes] = given.shape as [number, number];
  const labels = zeros("int32", [rows]);
  for (let row = 0; row < rows; row++) {
    const values = given.data.subarray(row * classes, (row + 1) * classes);
    for (let k = 1; k < classes; k++) if (values[k]! > values[labels.data[row]!]!) labels.data[row] = k;
  }
  return labels;
}

function unfit(found: Shape, expected: string): never {
  throw new SenetError("shape", "the targets do not fit the batch", { expected, found: `[${found.join(", ")}]` });
}
