/** Reverse rules against finite differences, and whether that would notice a wrong one. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { brokenRules, differentiable, faultsOf } from "./gradients.ts";

for (const op of differentiable) {
  test(`${op}: the gradient agrees with finite differences`, async () => {
    assert.deepEqual(await faultsOf(op), []);
  });

  test(`${op}: a wrong gradient does not survive`, async () => {
    const broken = brokenRules(op);
    assert.ok(broken.size > 0);
    const survivors: string[] = [];
    for (const [name, rules] of broken) if ((await faultsOf(op, rules)).length === 0) survivors.push(name);
    assert.deepEqual(survivors, []);
  });
}
