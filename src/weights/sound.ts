/** Checks that weights are finite: a network that has diverged must not seem to give answers. */

import { SenetError } from "../errors.ts";
import { shownName } from "../formats/bytes.ts";
import { allFinite, type Tensor } from "../tensor.ts";

/** A variance converted to another eps and back may be this far below zero, by rounding. */
const rounding = 1e-7;

/**
 * @param called gives a tensor's name in the file
 * @throws SenetError `weights`, naming the first tensor with a value that is not finite, or a negative variance, and
 * their number
 */
export function checkSound(
  weights: ReadonlyMap<string, Tensor>,
  where: string,
  called: (name: string) => string = (name) => name,
): void {
  const unsound: { readonly name: string; readonly what: string }[] = [];
  for (const [name, tensor] of weights) {
    if (!allFinite(tensor)) unsound.push({ name, what: firstOf(tensor, (value) => !Number.isFinite(value)) });
    else if (name.endsWith(".running_var") && tensor.data.some((value) => value < -rounding)) {
      unsound.push({ name, what: `a variance of ${firstOf(tensor, (value) => value < -rounding)}` });
    }
  }
  const [first] = unsound;
  if (first === undefined) return;
  throw new SenetError("weights", "these weights are unusable", {
    where,
    expected: "finite numbers, and variances from 0 up",
    found: `${first.what} in ${shownName(called(first.name))}; ${unsound.length} of ${weights.size} tensors are affected`,
    hint: "the training has diverged, or overflowed in half precision: take a checkpoint from before",
  });
}

/** The first such value, with its position. */
function firstOf({ data }: Tensor, isSuch: (value: number) => boolean): string {
  const place = data.findIndex(isSuch);
  return `${data[place]} (value ${place})`;
}
