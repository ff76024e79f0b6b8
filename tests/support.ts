/** Shared by several tests: paths, and comparison of numbers. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the checkout, found from the compiled test (dist/tests/support.js). */
export const root: string = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** A committed golden file. */
export const golden = (...path: string[]): string => join(root, "golden", ...path);

/** A file of the shared data, which is next to the checkout and may be absent. */
export const sharedData = (...path: string[]): string => join(root, "..", "shared", "data", ...path);

/** `{ skip: reason }` if the shared file is absent; spread it into a test's options. */
export const needsShared = (...path: string[]): { skip: string | false } => ({
  skip: existsSync(sharedData(...path)) ? false : `../shared/data/${path.join("/")} is absent`,
});

/** True in `npm test`. Fast tests over many similar cases use one of each kind. */
export const isThorough: boolean = process.env.SENET_TESTS === "all";

/**
 * Asserts that two arrays agree: |found − expected| ≤ tolerance · max(|expected|) for all elements. Relative to the
 * largest value, since sums in which terms cancel have no relative accuracy.
 */
export function assertClose(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  assert.equal(found.length, expected.length, `${what}: length`);
  let scale = 0;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]!));
  let worst = 0;
  let worstIndex = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(found[i]! - expected[i]!);
    // The negation also catches NaN.
    if (!(difference <= worst)) {
      worst = difference;
      worstIndex = i;
      if (Number.isNaN(difference)) break;
    }
  }
  assert.ok(
    worst <= tolerance * Math.max(scale, 1e-30),
    `${what}: largest difference ${worst} at ${worstIndex} ` +
      `(found ${found[worstIndex]}, expected ${expected[worstIndex]}), allowed ${tolerance} × ${scale}`,
  );
}
