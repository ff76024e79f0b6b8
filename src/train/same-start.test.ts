import assert from "node:assert/strict";
import { test } from "node:test";
import { ranksHere } from "../../tests/ranks.ts";
import { SenetError } from "../errors.ts";
import { tensor } from "../tensor.ts";
import { trainingConfig } from "./config.ts";
import { type Beginning, requireAlike } from "./same-start.ts";

const beginning: Beginning = {
  version: "1.0.0",
  config: trainingConfig({ batchSize: 8 }),
  classes: ["cat", "dog"],
  data: {
    train: [
      { count: 3, names: "a" },
      { count: 4, names: "b" },
    ],
    val: [
      { count: 1, names: "c" },
      { count: 1, names: "d" },
    ],
  },
  engine: "reference",
  weights: new Map([
    ["w", tensor([2], Float32Array.of(1, 2))],
    ["v", tensor([1], Float32Array.of(3))],
  ]),
};

/** What each of three ranks says where the last one begins so. */
async function told(last: Partial<Beginning>): Promise<string[]> {
  const begun = ranksHere(3).map((ranks) =>
    requireAlike(ranks, ranks.rank === 2 ? { ...beginning, ...last } : beginning).then(
      () => "alike",
      (error: unknown) => (error instanceof SenetError ? error.message : String(error)),
    ),
  );
  return Promise.all(begun);
}

test("ranks that begin alike go on", async () => {
  assert.deepEqual(await told({}), ["alike", "alike", "alike"]);
});

test("whoever begins otherwise is named with what differs, by all ranks alike", async () => {
  const val = [{ count: 2, names: "c" }, beginning.data.val[1]!];
  const { weights } = beginning;
  const cases: readonly (readonly [Partial<Beginning>, RegExp])[] = [
    [{ version: "1.0.1" }, /expected: +senet "1\.0\.0"\n +found: +senet "1\.0\.1"/],
    [{ config: trainingConfig({ batchSize: 8, seed: 3 }) }, /seed 0[\s\S]*seed 3/],
    [{ engine: "onednn" }, /the engine "reference"[\s\S]*"onednn"/],
    [{ data: { ...beginning.data, val } }, /3 pictures to validate with instead of 2 \(cat: 2 instead of 1\)/],
    [{ weights: new Map([...weights, ["v", tensor([1], Float32Array.of(3.0001))]]) }, /1 of 2 tensors, the first "v"/],
  ];
  for (const [last, pattern] of cases) {
    const [first, ...others] = await told(last);
    assert.match(first!, pattern);
    assert.match(first!, /^rank 2: /);
    assert.deepEqual(others, [first, first]);
  }
});
