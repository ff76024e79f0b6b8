import assert from "node:assert/strict";
import { test } from "node:test";
import { trainingConfig } from "./config.ts";
import { keyOfOtherName } from "./other-names.ts";

test("names of other programs mean keys that there are", () => {
  const keys = Object.keys(trainingConfig({}));
  for (const name of ["lr", "opt", "sched", "img-size", "grad_accum_steps", "emaDecay", "initial-checkpoint", "b"]) {
    assert.ok(keys.includes(keyOfOtherName(name)!), name);
  }
  for (const name of ["", "constructor", "lrs", "epochs"]) assert.equal(keyOfOtherName(name), undefined, name);
});

test("whoever uses them as keys is told what they are called here", () => {
  assert.throws(() => trainingConfig({ lr: 0.1 }), /"lr" is unknown: here it is learningRate$/m);
  assert.throws(
    () => trainingConfig({ epocs: 3, opt: "adamw" }),
    /nearest: epochs[\s\S]*"opt" is unknown: here it is optimizer/,
  );
});
