import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { trainingConfig } from "./config.ts";
import {
  askedBy,
  checkShares,
  forAllRanks,
  givenForAllRanks,
  withRecipeScaled,
  withRecipeSteps,
} from "./rank-batches.ts";

const count = 4;

const asked = (flags: object, others: object = {}) => {
  const nameOf = (key: string) => (key in flags ? `--${key}` : key);
  return { values: { ...others, ...flags }, nameOf };
};
const begun = (given: ReturnType<typeof asked>) =>
  forAllRanks(trainingConfig({ ...given.values }), askedBy(given), { count });

test("what flags ask for is for each process, what a recipe or a file has is of all, and so is what is kept", () => {
  const each = begun(asked({ batchSize: 32, microBatch: 8 }));
  assert.deepEqual([each.batchSize, each.microBatch], [128, 32]);
  const nothingSaid = begun(asked({}));
  assert.deepEqual([nothingSaid.batchSize, nothingSaid.microBatch], [4 * 64, null]);
  const whole = begun(asked({ microBatch: 8 }, { batchSize: 128 }));
  assert.deepEqual([whole.batchSize, whole.microBatch], [128, 32]);
  const given = givenForAllRanks(asked({ batchSize: 32, epochs: 3 }, { microBatch: 64 }), { count });
  assert.deepEqual(given.values, { batchSize: 128, epochs: 3, microBatch: 64 });
});

test("a recipe's rate goes with the batch, and larger ones warm up, unless flags say otherwise", () => {
  const recipe = { batchSize: 256, learningRate: 0.1, warmupEpochs: 0 };
  const scaled = (flags: object, optimizer = "sgd", epochs = 100) => {
    const said: string[] = [];
    const given = asked(flags, { ...recipe, optimizer, epochs });
    const config = withRecipeScaled(begun(given), recipe, askedBy(given), (line) => said.push(line));
    return { said: said.join(), rate: config.learningRate, warmup: config.warmupEpochs };
  };
  assert.deepEqual(scaled({}), { said: "", rate: 0.1, warmup: 0 });
  const large = scaled({ batchSize: 256 });
  assert.deepEqual([large.rate, large.warmup], [0.4, 5]);
  assert.equal(
    large.said,
    "batches of 1024 instead of the recipe's 256: a rate of 0.4 instead of 0.1, after 5 epochs of warm-up",
  );
  assert.equal(scaled({ batchSize: 256 }, "lamb").rate, 0.2);
  const short = scaled({ batchSize: 256 }, "sgd", 9);
  assert.equal(short.warmup, 0.5, "not most of a short run");
  assert.match(short.said, /after 0\.5 epochs of warm-up$/);
  assert.deepEqual(scaled({ batchSize: 16 }).rate, 0.025);
  assert.equal(scaled({ batchSize: 16 }).warmup, 0);
  assert.deepEqual(scaled({ batchSize: 256, learningRate: 3 }).rate, 3);
  assert.equal(scaled({ batchSize: 256, warmupEpochs: 2 }).warmup, 2);
  // A file may say them too.
  const given = asked({ batchSize: 256 }, { ...recipe, learningRate: 0.7 });
  assert.equal(withRecipeScaled(begun(given), recipe, askedBy(given), assert.fail).learningRate, 0.7);
  const slow = asked({ batchSize: 256 }, { ...recipe, warmupEpochs: 3 });
  assert.equal(withRecipeScaled(begun(slow), recipe, askedBy(slow), () => {}).warmupEpochs, 3);
});

test("a recipe's steps are as many pictures with another batch, unless they are said", () => {
  const recipe = { batchSize: 256, maxSteps: 1000 };
  const steps = (flags: object) => {
    const said: string[] = [];
    const given = asked(flags, recipe);
    const config = trainingConfig({ ...given.values });
    return [withRecipeSteps(config, recipe, askedBy(given), (line) => said.push(line)).maxSteps, said.join()];
  };
  assert.deepEqual(steps({}), [1000, ""]);
  assert.deepEqual(steps({ batchSize: 64 }), [4000, "the recipe's 1000 steps of 256 pictures are 4000 of 64"]);
  assert.deepEqual(steps({ batchSize: 64, maxSteps: 7 }), [7, ""]);
});

test("last batches are kept, and statistics moved twice, by one process alone", () => {
  for (const config of [{ lastBatch: "keep" }, { runningStatistics: "twice" }]) {
    assert.throws(() => checkShares(trainingConfig(config), { count }), /of a single process[\s\S]*4 processes/);
    checkShares(trainingConfig(config), { count: 1 });
    assert.throws(
      () => trainingConfig({ ...config, batchSize: 8, microBatch: 4 }),
      /microBatch: expected the whole batch/,
    );
  }
});

test("a batch that the processes cannot share is refused, and pictures that would be mixed across them", () => {
  const refusal = (config: object) => () => checkShares(trainingConfig(config), { count });
  assert.throws(
    refusal({ batchSize: 30 }),
    (error) => error instanceof SenetError && /multiple of 4/.test(error.message),
  );
  assert.throws(refusal({ batchSize: 64, microBatch: 2 }), SenetError);
  assert.throws(
    refusal({ batchSize: 12, mixup: 0.2 }),
    (error) => error instanceof SenetError && /even/.test(error.message),
  );
  assert.doesNotThrow(refusal({ batchSize: 16, mixup: 0.2 }));
  assert.doesNotThrow(refusal({ batchSize: 12 }));
  assert.doesNotThrow(() => checkShares(trainingConfig({ batchSize: 7, mixup: 0.2 }), { count: 1 }));
});
