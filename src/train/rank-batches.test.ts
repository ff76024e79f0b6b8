import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { trainingConfig } from "./config.ts";
import { checkShares, forAllRanks, givenForAllRanks } from "./rank-batches.ts";

const count = 4;

test("what is asked for is for each process, and what is kept is of all of them", () => {
  const all = forAllRanks(trainingConfig({ batchSize: 32, microBatch: 8 }), { count });
  assert.deepEqual([all.batchSize, all.microBatch], [128, 32]);
  assert.equal(forAllRanks(trainingConfig({}), { count }).microBatch, null);
  const given = givenForAllRanks({ values: { batchSize: 32, epochs: 3 }, nameOf: (key) => key }, { count });
  assert.deepEqual(given.values, { batchSize: 128, epochs: 3 });
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
