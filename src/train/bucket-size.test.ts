import assert from "node:assert/strict";
import { test } from "node:test";
import { ranksHere } from "../../tests/ranks.ts";
import { bestOf, measuredBucket } from "./bucket-size.ts";

test("the smallest size that is about as quick as any is taken", () => {
  const found = [9, 6, 5.4, 5, 5.1].map((milliseconds, i) => ({ bytes: 2 ** i, milliseconds }));
  assert.equal(bestOf(found).bytes, 4);
  assert.equal(bestOf(found.slice(0, 1)).bytes, 1);
});

test("all ranks find the same size, whatever their clocks say", async () => {
  const found = await Promise.all(ranksHere(2).map((ranks) => measuredBucket(ranks, "float32", 2 ** 19)));
  assert.deepEqual(found[0], found[1]);
  assert.ok(found[0]!.bytes >= 2 ** 18 && found[0]!.bytes <= 2 ** 19 && found[0]!.milliseconds > 0);
});
