import assert from "node:assert/strict";
import { test } from "node:test";
import { stepLine } from "./training.ts";

test("eighty columns are enough for the time left, also of the largest runs", () => {
  const progress = {
    epoch: 998,
    epochs: 1000,
    step: 1_281_166,
    steps: 1_281_167,
    left: 1_281_168,
    loss: 6.9,
    top1: 0.1,
  };
  const line = stepLine({ ...progress, imagesPerSecond: 0.01, learningRate: 0.1 + 0.2 }, 10_000_000);
  assert.ok(line.indexOf("2777:46:40 left") > 0, line);
  assert.ok(line.indexOf(" left") + " left".length < 79, line);
  assert.match(line, /rate 0\.3$/);
  assert.doesNotMatch(stepLine({ ...progress, imagesPerSecond: 1, learningRate: 1 }, undefined), /left/);
});
