// That the values are Pillow's is held by golden.test.ts; here is what else a caller relies on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../random.ts";
import { type Picture, resize } from "./resize.ts";

function noise(width: number, height: number): Picture {
  const random = createRandom(width, height);
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => random.below(256)) };
}

test("the same size copies; a box of the same size crops", () => {
  const picture = noise(9, 7);
  const copy = resize(picture, 9, 7, "bilinear");
  assert.deepEqual(copy, picture);
  assert.notEqual(copy.data, picture.data);

  const box = { left: 2, top: 3, width: 4, height: 2 };
  const cropped = resize(picture, 4, 2, "bicubic", { box });
  const row = (y: number) => [...picture.data.subarray((y * 9 + 2) * 3, (y * 9 + 6) * 3)];
  assert.deepEqual([...cropped.data], [...row(3), ...row(4)]);
});

test("one colour stays that colour, also with negative lobes", () => {
  for (const value of [0, 1, 128, 254, 255]) {
    const picture = { width: 13, height: 11, data: new Uint8Array(13 * 11 * 3).fill(value) };
    for (const interpolation of ["bilinear", "bicubic"] as const) {
      for (const [width, height] of [
        [5, 4],
        [40, 50],
        [13, 3],
        [1, 1],
      ] as const) {
        const { data } = resize(picture, width, height, interpolation);
        assert.equal(data.length, width * height * 3);
        assert.ok(
          data.every((byte) => byte === value),
          `${value} ${interpolation} ${width}×${height}: ${data}`,
        );
      }
    }
  }
});

test("what lies outside the box does not bleed in", () => {
  const picture = noise(20, 20);
  const box = { left: 5, top: 6, width: 8, height: 7 };
  const cropped = resize(picture, 8, 7, "bilinear", { box });
  for (const interpolation of ["bilinear", "bicubic"] as const) {
    assert.deepEqual(resize(picture, 21, 3, interpolation, { box }), resize(cropped, 21, 3, interpolation));
  }
});

test("a window has the pixels of the whole result", () => {
  const picture = noise(23, 17);
  const box = { left: 1, top: 2, width: 21, height: 14 };
  for (const interpolation of ["bilinear", "bicubic"] as const) {
    // Both passes, one of them, none.
    for (const [width, height] of [
      [9, 31],
      [21, 8],
      [40, 14],
      [21, 14],
    ] as const) {
      const all = resize(picture, width, height, interpolation, { box });
      const window = { left: 3, top: 4, width: width - 4, height: height - 5 - (height % 2) };
      assert.deepEqual(
        resize(picture, width, height, interpolation, { box, window }),
        resize(all, window.width, window.height, interpolation, { box: window }),
        `${width}×${height} ${interpolation}`,
      );
    }
  }
});

test("memory given is written to, and larger memory is not cut", () => {
  const picture = noise(10, 10);
  const into = new Uint8Array(200).fill(99);
  const result = resize(picture, 4, 5, "bilinear", { into });
  assert.equal(result.data, into);
  assert.deepEqual(into.subarray(0, 60), resize(picture, 4, 5, "bilinear").data);
  assert.ok(into.subarray(60).every((byte) => byte === 99));
  assert.throws(() => resize(picture, 9, 9, "bilinear", { into }), /200 bytes are too few/);
});

test("boxes beyond the picture and sizes that are none are refused", () => {
  const picture = noise(10, 8);
  const whole = { left: 0, top: 0, width: 10, height: 8 };
  for (const change of [{ left: 1 }, { top: -1 }, { width: 0 }, { height: 9 }, { left: 0.5 }, { width: Number.NaN }]) {
    assert.throws(
      () => resize(picture, 4, 4, "bilinear", { box: { ...whole, ...change } }),
      /is not within the 10×8 picture/,
    );
  }
  for (const size of [0, -1, 2.5, Number.NaN]) {
    assert.throws(() => resize(picture, size, 4, "bilinear"), /positive whole numbers/);
  }
});
