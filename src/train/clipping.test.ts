import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/support.ts";
import { clip } from "./clipping.ts";

const gradients = () => [Float64Array.of(3, 0, -4), Float64Array.of(12)];

test("by norm: what is longer than the bound is shortened to it, as PyTorch does, and nothing else is touched", () => {
  // The length is 13, scaled 6.5.
  const data = gradients();
  assertClose([clip(data, 0.5, { bound: 2, mode: "norm" })], [(0.5 * 2) / (6.5 + 1e-6)], 1e-12, "shortened");
  assert.equal(clip(data, 0.5, { bound: 7, mode: "norm" }), 0.5);
  assert.deepEqual(data, gradients());
});

test("by value: each number is bounded once it is scaled", () => {
  const data = gradients();
  assert.equal(clip(data, 0.5, { bound: 1.75, mode: "value" }), 0.5);
  assert.deepEqual(data, [Float64Array.of(3, 0, -3.5), Float64Array.of(3.5)]);
});

test("gradients of zero stay", () => {
  assert.equal(clip([new Float32Array(3)], 1, { bound: 0.1, mode: "norm" }), 1);
});
