/** A few values of a large array, kept in golden files (golden/samples.py). */

import assert from "node:assert/strict";
import type { Tensor } from "../src/tensor.ts";
import { assertClose } from "./support.ts";

export interface Samples {
  readonly shape: readonly number[];
  /** Between the places of the values. */
  readonly step: number;
  /** Of all values, by absolute value. */
  readonly largest: number;
  readonly values: readonly number[];
}

/** Asserts that a tensor has these values, to 1e-4 of their largest. */
export function assertSamples(found: Tensor, expected: Samples, what: string): void {
  assert.deepEqual(found.shape, expected.shape, `${what}: shape`);
  assert.ok(
    expected.values.some((value) => value !== 0),
    what,
  );
  let largest = 0;
  for (const value of found.data) largest = Math.max(largest, Math.abs(value));
  assertClose([largest], [expected.largest], 1e-4, `${what}: the largest value`);
  const values = expected.values.map((_, i) => found.data[i * expected.step]!);
  assertClose(values, expected.values, 1e-4, what);
}
