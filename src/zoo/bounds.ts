/** Bounds on numbers and texts in weight files, so that a small file cannot ask for too much. */

import * as z from "../schema.ts";

export const positive = z.int().check(z.gt(0));
/** Largest side of pictures and windows, in pixels. */
const largestSide = 8192;
export const extent = z.int().check(z.lte(largestSide));

/** Checked as a whole: a separate fault for each of a million elements would be a message of megabytes. */
export const texts = (most: number) =>
  z.custom<readonly string[]>(
    (value) => Array.isArray(value) && value.length <= most && value.every((text) => typeof text === "string"),
    `at most ${most} texts`,
  );
