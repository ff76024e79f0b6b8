/** Checks whole-number options. */

import { SenetError } from "../errors.ts";

/** @throws SenetError `usage` where `value` is not a whole number from 1 to `most` */
export function checkedCount(name: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new SenetError("usage", `this is no ${name}`, {
    where: name,
    expected: `a whole number from 1 to ${most}`,
    found: `${value}`,
  });
}
