import assert from "node:assert/strict";
import type { Prediction } from "../src/evaluate/classify.ts";
import { assertClose } from "./support.ts";

/** Asserts that two networks answer alike, but for the last digits. */
export function assertSamePredictions(
  found: readonly Prediction[],
  expected: readonly Prediction[],
  what: string,
): void {
  const labels = (predictions: readonly Prediction[]) => predictions.map(({ label }) => label);
  assert.deepEqual(labels(found), labels(expected), what);
  const probabilities = (predictions: readonly Prediction[]) => predictions.map(({ probability }) => probability);
  assertClose(probabilities(found), probabilities(expected), 1e-4, what);
}
