/** What numbers and texts of a weight file may be: a small file must not ask for more than there is. */

import * as z from "../schema.ts";

export const positive = z.int().check(z.gt(0));
/** Of pictures, and of windows on them, in pixels. */
const largestSide = 8192;
export const extent = z.int().check(z.lte(largestSide));

/** Checked as a whole: a fault for each of a million elements would be a message of megabytes. */
export const texts = (most: number) =>
  z.custom<readonly string[]>(
    (value) => Array.isArray(value) && value.length <= most && value.every((text) => typeof text === "string"),
    `expected at most ${most} texts`,
  );
