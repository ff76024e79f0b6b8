import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../random.ts";
import { greysOf, likenessOf } from "./likeness.ts";
import { type Picture, resize } from "./resize.ts";

function blobs(seed: number, width = 96, height = 72): Picture {
  const random = createRandom(seed);
  const rough = Uint8Array.from({ length: 3 * 7 * 6 }, () => 40 + random.below(160));
  return resize({ width: 7, height: 6, data: rough }, width, height, "bicubic");
}
const flat = (grey: number): Picture => ({ width: 9, height: 5, data: new Uint8Array(3 * 9 * 5).fill(grey) });
const likeness = (a: Picture, b: Picture): number => likenessOf(greysOf(a), greysOf(b));
const changed = (picture: Picture, change: (value: number) => number): Picture => ({
  ...picture,
  data: picture.data.map(change),
});

test("the same picture at other sizes, in other light and with less contrast is alike; its negative is the opposite", () => {
  const picture = blobs(1);
  assert.ok(Math.abs(likeness(picture, picture) - 1) < 1e-9);
  assert.ok(likeness(picture, resize(picture, 48, 60, "bicubic")) > 0.99);
  assert.ok(
    likeness(
      picture,
      changed(picture, (value) => value * 0.5 + 30),
    ) > 0.999,
  );
  assert.ok(
    Math.abs(
      likeness(
        picture,
        changed(picture, (value) => 255 - value),
      ) + 1,
    ) < 1e-3,
  );
});

test("other pictures are not", () => {
  for (let seed = 2; seed < 40; seed++) assert.ok(likeness(blobs(1), blobs(seed)) < 0.8, `${seed}`);
});

test("pictures of one grey are alike where it is the same", () => {
  assert.equal(likeness(flat(100), flat(101)), 1);
  assert.equal(likeness(flat(100), flat(200)), 0);
  assert.equal(likeness(flat(100), blobs(1)), 0);
});
