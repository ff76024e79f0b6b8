import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../../random.ts";
import { aligned, planArena, type Slot } from "./arena.ts";

const slot = (bytes: number, first: number, last: number): Slot => ({ bytes, first, last });

test("buffers that are never alive at once share memory", () => {
  const [a, b, c] = [slot(1000, 0, 1), slot(1000, 2, 3), slot(64, 1, 2)];
  const { bytes, offsets } = planArena([a, b, c]);
  assert.equal(offsets.get(a), offsets.get(b));
  assert.equal(bytes, aligned(1000) + 64);
});

test("a result in place has its donor's memory, and the donor lives as long as it", () => {
  const donor = slot(128, 0, 4);
  const heir: Slot = { bytes: 128, sameAs: donor };
  assert.equal(planArena([donor, heir, slot(64, 5, 6)]).bytes, 128);
});

test("buffers that are alive at once never overlap", () => {
  const random = createRandom(7);
  const slots = Array.from({ length: 300 }, () => {
    const first = Math.floor(random.uniform() * 100);
    return slot(1 + Math.floor(random.uniform() * 5000), first, first + Math.floor(random.uniform() * 20));
  });
  const { bytes, offsets } = planArena(slots);
  for (const [a, at] of offsets) {
    assert.ok(at % 64 === 0 && at + a.bytes <= bytes);
    for (const [b, bt] of offsets) {
      if (a === b || a.last! < b.first! || b.last! < a.first!) continue;
      assert.ok(at + a.bytes <= bt || bt + b.bytes <= at, "two buffers overlap");
    }
  }
});
