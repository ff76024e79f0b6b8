/** Labels, as every engine's loss takes them. */

import { SenetError } from "../errors.ts";
import type { TensorData } from "../tensor.ts";

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
