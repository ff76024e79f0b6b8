import assert from "node:assert/strict";
import { test } from "node:test";
import { fillOrder, placeOf } from "./epoch.ts";

const places = (count: number, batchSize: number, batches = 3) =>
  Array.from({ length: count }, (_, rank) =>
    Array.from({ length: batches * batchSize }, (_, row) => placeOf({ share: { rank, count }, batchSize }, row)),
  );

test("the parts of a batch are all of it, each picture once", () => {
  for (const [count, batchSize] of [
    [1, 5],
    [2, 4],
    [2, 3],
    [3, 1],
    [4, 6],
  ] as const) {
    const all = places(count, batchSize);
    for (let batch = 0; batch < 3; batch++) {
      const rows = all.flatMap((own) => own.slice(batch * batchSize, (batch + 1) * batchSize));
      const size = count * batchSize;
      const expected = Array.from({ length: size }, (_, i) => batch * size + i);
      assert.deepEqual(
        rows.sort((a, b) => a - b),
        expected,
        `${count} parts of ${batchSize}`,
      );
    }
  }
});

test("of an even part, what mirrors a row in the part mirrors it in the whole batch", () => {
  for (const own of places(3, 4, 1)) for (let i = 0; i < 4; i++) assert.equal(own[i]! + own[3 - i]!, 11);
});

test("an order of its own in each epoch, or one for all", () => {
  const order = (epoch: number, shuffle?: "anew" | "once") => {
    const order = new Int32Array(50);
    fillOrder(order, { seed: 3, epoch, repeats: 1, shuffle });
    return order;
  };
  assert.notDeepEqual(order(0), order(1));
  assert.deepEqual(order(1), order(1, "anew"));
  for (const epoch of [0, 1, 7]) assert.deepEqual(order(epoch, "once"), order(0));
});
