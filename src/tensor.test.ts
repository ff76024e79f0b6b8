import assert from "node:assert/strict";
import { test } from "node:test";
import { allFinite, type Tensor, tensor } from "./tensor.ts";

const floats = (...values: number[]): Tensor => tensor([values.length], Float32Array.from(values));

test("one value that is not finite is found wherever it is", () => {
  for (let length = 0; length <= 9; length++) {
    assert.ok(allFinite(floats(...Array.from({ length }, (_, i) => i - 3))));
    for (let place = 0; place < length; place++) {
      for (const bad of [Number.NaN, Infinity, -Infinity]) {
        assert.ok(
          !allFinite(floats(...Array.from({ length }, (_, i) => (i === place ? bad : 1)))),
          `${bad} at ${place}`,
        );
      }
    }
  }
  assert.ok(!allFinite(floats(Infinity, 0, 0, 0, -Infinity)), "infinities do not cancel");
  assert.ok(allFinite(floats(3e38, 3e38, 3e38, 3e38, 3e38)), "large values are finite");
});
