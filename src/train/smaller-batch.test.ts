import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { trainingConfig } from "./config.ts";
import { halved, inSteps, type WithBatch, withSmallerBatches } from "./smaller-batch.ts";
import { initialState } from "./state.ts";

const short = () => new SenetError("executor", "there is not enough memory for the plan");

/** What is tried where so many pictures at a time fit. */
async function tried(given: object, fits: number, withBatch?: WithBatch) {
  const sizes: (readonly [batch: number, part: number | null])[] = [];
  const lines: string[] = [];
  const attempt = (config: ReturnType<typeof trainingConfig>) => {
    sizes.push([config.batchSize, config.microBatch]);
    return (config.microBatch ?? config.batchSize) > fits ? Promise.reject(short()) : Promise.resolve(config);
  };
  const config = await withSmallerBatches(trainingConfig(given), attempt, (line) => lines.push(line), withBatch);
  return { config, sizes, lines };
}

test("half of the batch is tried until it fits, and each time it is said with the rate", async () => {
  const { config, sizes, lines } = await tried({ batchSize: 64, optimizer: "sgd" }, 16);
  assert.deepEqual(sizes, [
    [64, null],
    [32, null],
    [16, null],
  ]);
  assert.equal(config.learningRate, null, "it follows the batch");
  assert.equal(lines.length, 2);
  assert.match(lines[1]!, /^out of memory: .*batches of 16 pictures instead of 32, with a rate of \S+ instead of \S+$/);
});

test("a rate that was given stays; of a batch in parts the parts become smaller", async () => {
  const given = await tried({ batchSize: 64, learningRate: 0.3 }, 32);
  assert.equal(given.config.learningRate, 0.3);
  assert.match(given.lines[0]!, /at the rate that was given, 0\.3$/);
  const recipes = await tried({ batchSize: 64, learningRate: 0.3 }, 32, (config) => ({
    ...config,
    learningRate: (0.3 * config.batchSize) / 64,
  }));
  assert.match(
    recipes.lines[0]!,
    /with a rate of 0\.15 instead of 0\.3$/,
    "but for a recipe's, which goes with the batch",
  );
  const parts = await tried({ batchSize: 64, microBatch: 16 }, 4);
  assert.deepEqual([parts.config.batchSize, parts.config.microBatch], [64, 4]);
  assert.match(parts.lines[0]!, /the batch of 64 is computed by 8 instead of 16 pictures at a time/);
});

test("where nothing fits, or it is no lack of memory, the fault is thrown", async () => {
  await assert.rejects(tried({ batchSize: 64 }, 0), /not enough memory/);
  assert.equal(halved(trainingConfig({ batchSize: 1 })), undefined);
  assert.equal(halved(trainingConfig({ batchSize: 6, maxSteps: 10 }))!.maxSteps, 20, "for as many pictures");
  let attempts = 0;
  const fails = () => {
    attempts++;
    return Promise.reject(new SenetError("training", "the loss is not a finite number"));
  };
  await assert.rejects(withSmallerBatches(trainingConfig({}), fails), /finite/);
  assert.equal(attempts, 1);
});

test("a state in steps of other batches is at the same picture", () => {
  assert.equal(inSteps({ ...initialState, step: 7 }, 64, 32).step, 14);
  assert.equal(inSteps({ ...initialState, step: 7 }, 65, 32).step, 14);
});
