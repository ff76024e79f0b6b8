import assert from "node:assert/strict";
import { test } from "node:test";
import { alone } from "../ranks.ts";
import { ownShare } from "./own-share.node.ts";

const gibibyte = 2 ** 30;
const machine = { threads: 16, memory: 8 * gibibyte };

test("ranks divide their host among themselves, but for what they are told", () => {
  const ranks = { ...alone, count: 6, neighbours: 3 };
  assert.deepEqual(ownShare({ ranks }, machine), { threads: 5, workers: 4, cacheBytes: (2 * gibibyte) / 3 });
  const told = { threads: 7, workers: 2, cacheBytes: 0 };
  assert.deepEqual(ownShare({ ranks, ...told }, machine), told);
  const crowded = { ...ranks, neighbours: 32 };
  assert.deepEqual(ownShare({ ranks: crowded }, machine), { threads: 1, workers: 1, cacheBytes: gibibyte / 16 });
});

test("who is alone is told nothing, and a rank with a host to itself only that its threads stay as many", () => {
  const nothing = { threads: undefined, workers: undefined, cacheBytes: undefined };
  assert.deepEqual(ownShare({}, machine), nothing);
  assert.deepEqual(ownShare({ ranks: { ...alone, count: 2 } }, machine), { ...nothing, threads: 16 });
});
