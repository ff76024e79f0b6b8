import assert from "node:assert/strict";
import { test } from "node:test";
import { learningRateAt, type ScheduleConfig } from "./schedule.ts";

const config: ScheduleConfig = {
  schedule: "cosine",
  learningRate: 0.4,
  epochs: 10,
  warmupEpochs: 2,
  stepEpochs: [4, 8],
  stepFactor: 0.1,
};
const steps = 50;

test("the warm-up rises in equal parts and meets the schedule", () => {
  assert.ok(Math.abs(learningRateAt(config, 0, steps) - 0.4 / 101) < 1e-12);
  assert.ok(Math.abs(learningRateAt(config, 99, steps) - (0.4 * 100) / 101) < 1e-12);
  assert.equal(learningRateAt(config, 100, steps), 0.4);
});

test("cosine: half the rate half-way, almost none at the end, never negative", () => {
  assert.ok(Math.abs(learningRateAt(config, 300, steps) - 0.2) < 1e-12);
  const last = learningRateAt(config, 499, steps);
  assert.ok(last > 0 && last < 1e-5);
  assert.equal(learningRateAt(config, 600, steps), 0);
});

test("step: a tenth at each of the epochs", () => {
  const step = { ...config, schedule: "step" as const };
  assert.equal(learningRateAt(step, 199, steps), 0.4);
  assert.ok(Math.abs(learningRateAt(step, 200, steps) - 0.04) < 1e-12);
  assert.ok(Math.abs(learningRateAt(step, 450, steps) - 0.004) < 1e-12);
});
