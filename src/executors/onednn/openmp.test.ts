import assert from "node:assert/strict";
import { test } from "node:test";
import { affordableTeam } from "./openmp.node.ts";

test("a team has the threads whose stacks fit, at least one", () => {
  const mib = 2 ** 20;
  assert.equal(affordableTeam(64, Number.POSITIVE_INFINITY, 8 * mib), 64);
  // 64 MiB are left to everything else, and the calling thread has a stack already.
  assert.equal(affordableTeam(64, 144 * mib, 8 * mib), 11);
  assert.equal(affordableTeam(4, 144 * mib, 8 * mib), 4);
  assert.equal(affordableTeam(4, 144 * mib, 900 * mib), 1);
  assert.equal(affordableTeam(4, -mib, 8 * mib), 1);
});
