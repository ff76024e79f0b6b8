import assert from "node:assert/strict";
import { test } from "node:test";
import { copyOf, hard, recorded, sha256, source } from "../../../tests/augment.ts";
import type { Picture } from "../resize.ts";
import * as pillow from "./pillow.ts";
import { rotate, transformAffine } from "./pillow-affine.ts";

test("every operation on colours gives Pillow's bytes", () => {
  const operations: Readonly<Record<string, (picture: Picture, argument: number) => void>> = { ...pillow };
  assert.deepEqual([...new Set(recorded.pillow.map(({ name }) => name))].sort(), Object.keys(operations).sort());
  for (const { name, argument, sha256: hashes } of recorded.pillow) {
    for (const [i, picture] of [source, hard].entries()) {
      const changed = copyOf(picture);
      operations[name]!(changed, argument);
      assert.equal(sha256(changed.data), hashes[i], `${name} ${argument}, picture ${i}`);
    }
  }
});

test("pictures of one colour, one pixel or one row do no harm", () => {
  const operations: Readonly<Record<string, (picture: Picture, argument: number) => void>> = { ...pillow };
  for (const [width, height] of [
    [1, 1],
    [5, 1],
    [1, 5],
    [4, 4],
  ] as const) {
    for (const [name, operation] of Object.entries(operations)) {
      const flat = { width, height, data: new Uint8Array(3 * width * height).fill(90) };
      operation(flat, 0.5);
      assert.equal(new Set(flat.data).size, 1, `${name}, ${width} by ${height}`);
    }
  }
});

test("moving and turning gives Pillow's bytes, with both filters, with its colour beyond the edges", () => {
  assert.ok(recorded.affine.length > 20);
  for (const { hard: isHard, map, degrees, filter, sha256: hash } of recorded.affine) {
    const picture = copyOf(isHard ? hard : source);
    if (map === undefined) rotate(picture, degrees!, filter, recorded.fill);
    else {
      const [a, b, c, d, e, f] = map;
      transformAffine(picture, { a, b, c, d, e, f }, filter, recorded.fill);
    }
    assert.equal(sha256(picture.data), hash, `${map ?? degrees}, ${filter}`);
  }
});
