import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { tensor } from "../tensor.ts";
import { hardened, hardTargets, labelsOf, targetsOf } from "./targets.ts";

const type = { dtype: "float64", shape: [2, 4] } as const;
const labels = tensor([2], Int32Array.of(3, 0));

test("a label becomes one row, smoothed where asked", () => {
  assert.deepEqual([...hardTargets(labels, type).data], [0, 0, 0, 1, 1, 0, 0, 0]);
  const smoothed = [...hardTargets(labels, type, 0.2).data];
  for (const [i, expected] of [0.05, 0.05, 0.05, 0.85, 0.85, 0.05, 0.05, 0.05].entries()) {
    assert.ok(Math.abs(smoothed[i]! - expected) < 1e-12);
  }
});

test("soft targets are taken as they are, and their labels are the likeliest classes", () => {
  const soft = tensor([2, 4], Float64Array.of(0.1, 0.6, 0.3, 0, 0.5, 0, 0, 0.5));
  assert.equal(targetsOf(soft, type, 0.1), soft);
  assert.deepEqual([...labelsOf(soft).data], [1, 0]);
  assert.equal(labelsOf(labels), labels);
});

test("targets above a threshold count whole, the others not at all", () => {
  const mixed = tensor([2, 4], Float32Array.of(0.2, 0.8, 0, 0, 0.05, 0.05, 0.85, 0.05));
  assert.deepEqual(hardened(mixed, 0), tensor([2, 4], Float32Array.of(1, 1, 0, 0, 1, 1, 1, 1)));
  assert.deepEqual([...hardened(mixed, 0.2).data], [0, 1, 0, 0, 0, 0, 1, 0], "what is as high is not above");
  assert.equal(mixed.data[1], Math.fround(0.8), "what was given stays");
});

test("a label that is no class is refused, and so are targets that do not fit", () => {
  for (const label of [-1, 4]) {
    assert.throws(
      () => targetsOf(tensor([2], Int32Array.of(1, label)), type),
      (error) =>
        error instanceof SenetError && error.code === "data" && /label 1 of the batch[\s\S]*0 to 3/.test(error.message),
    );
  }
  const isShape = (error: unknown) => error instanceof SenetError && error.code === "shape";
  assert.throws(() => targetsOf(tensor([3], Int32Array.of(1, 1, 1)), type), isShape);
  assert.throws(() => targetsOf(tensor([2, 3], new Float64Array(6)), type), isShape);
  assert.throws(() => targetsOf(tensor([2, 4], new Float32Array(8)), type), isShape);
});
