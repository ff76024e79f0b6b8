import assert from "node:assert/strict";
import { test } from "node:test";
import { trainingConfig } from "./config.ts";
import { besidesLoss, validationLossOf } from "./losses.ts";

test("the validation loss is of the kind that the run lowers", () => {
  const picture = { sample: 0, label: 1, probabilities: Float64Array.of(0.79, 0.04, 0.17), ranked: [2, -1, 0.5] };
  // torch.nn.functional.binary_cross_entropy_with_logits(tensor([2, -1, 0.5]), tensor([0., 1, 0]))
  assert.ok(Math.abs(validationLossOf({ bceLoss: true })!(picture) - 1.471422227580434) < 1e-12);
  assert.equal(validationLossOf({ bceLoss: false }), undefined);
});

test("what only the training loss contains has words", () => {
  assert.deepEqual(besidesLoss(trainingConfig({})), []);
  const given = { labelSmoothing: 0.1, cutmix: 1, classWeights: "balanced" };
  assert.deepEqual(besidesLoss(trainingConfig(given)), ["label smoothing", "mixed pictures", "class weights"]);
});
