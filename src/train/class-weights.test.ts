import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/support.ts";
import { softmaxCrossEntropy } from "../executors/loss.ts";
import { tensor } from "../tensor.ts";
import { balancedWeights, weightedTargets } from "./class-weights.ts";
import { hardTargets } from "./targets.ts";

test("balanced classes weigh alike in sum, and pictures weigh 1 in the mean", () => {
  const counts = [60, 30, 10];
  const weights = balancedWeights(counts);
  assertClose(weights, [100 / 180, 100 / 90, 100 / 30], 1e-12, "scikit-learn's compute_class_weight('balanced')");
  assert.equal(new Set(counts.map((count, i) => (count * weights[i]!).toFixed(9))).size, 1);
  assert.deepEqual(balancedWeights([4, 0, 4]), [8 / 12, 1, 8 / 12]);
});

test("the loss of weighted targets is the mean of the weighted losses, also with smoothing", () => {
  const logits = Float64Array.of(1, -2, 0.5, 0.25, 3, -1);
  const weights = [0.5, 2, 4];
  const type = { dtype: "float64", shape: [2, 3] } as const;
  const logSoftmax = (row: number, k: number) => {
    const values = [...logits.subarray(3 * row, 3 * row + 3)];
    return values[k]! - Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0));
  };
  const labels = tensor([2], Int32Array.of(2, 1));
  const plain = weightedTargets(hardTargets(labels, type), weights);
  const expected = -(4 * logSoftmax(0, 2) + 2 * logSoftmax(1, 1)) / 2;
  assertClose([softmaxCrossEntropy.value(logits, plain.data, 2)], [expected], 1e-12, "labels");

  const smoothed = weightedTargets(hardTargets(labels, type, 0.3), weights);
  let sum = 0;
  for (const [row, label] of labels.data.entries()) {
    for (let k = 0; k < 3; k++) sum -= weights[k]! * (0.1 + (k === label ? 0.7 : 0)) * logSoftmax(row, k);
  }
  assertClose([softmaxCrossEntropy.value(logits, smoothed.data, 2)], [sum / 2], 1e-12, "smoothed");
});
