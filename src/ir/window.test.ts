import assert from "node:assert/strict";
import { test } from "node:test";
import { axesOf, convExtent, countsOf, poolExtent, samePadding, shortExtent, shortPadding } from "./window.ts";

test("TensorFlow's SAME: the odd pixel behind, and as many windows as strides reach", () => {
  const at = (n: number, kernel: number, stride: number) => samePadding([1, 3, n, n], kernel, stride);
  assert.deepEqual(at(224, 7, 2), { top: 2, left: 2, bottom: 3, right: 3 });
  assert.equal(at(225, 7, 2), 3);
  assert.deepEqual(at(112, 3, 2), { top: 0, left: 0, bottom: 1, right: 1 });
  assert.equal(at(113, 3, 2), 1);
  assert.equal(at(56, 3, 1), 1);
  // A window of one pixel leaves pixels out, and never pads.
  assert.equal(at(57, 1, 2), 0);
  assert.deepEqual(samePadding([1, 3, 9, 4], [1, 7], 1), { top: 0, left: 3, bottom: 0, right: 3 });
  for (const n of [1, 2, 7, 8, 224]) {
    for (const [kernel, stride] of [
      [3, 2],
      [7, 2],
      [2, 2],
      [3, 1],
    ] as const) {
      const [axis] = axesOf({ kernel, stride, pad: at(n, kernel, stride) });
      assert.equal(convExtent(n, axis), Math.ceil(n / stride));
      assert.equal(poolExtent(n, axis, false), Math.ceil(n / stride));
    }
  }
});

test("what an average divides by: the window within the padded axis, or its pixels alone", () => {
  const axis = { kernel: 3, stride: 2, before: 1, after: 1 };
  assert.deepEqual(countsOf(5, 3, axis, true), [3, 3, 3]);
  assert.deepEqual(countsOf(5, 3, axis, false), [2, 3, 2]);
  // The last of four hangs over.
  assert.deepEqual(countsOf(6, 4, axis, true), [3, 3, 3, 2]);
  assert.deepEqual(countsOf(6, 4, axis, false), [2, 3, 3, 1]);
});

test("what is the same on all sides is one number", () => {
  assert.equal(shortExtent([3, 3]), 3);
  assert.deepEqual(shortExtent([1, 7]), [1, 7]);
  assert.equal(shortPadding({ top: 2, left: 2, bottom: 2, right: 2 }), 2);
  assert.deepEqual(shortPadding({ top: 0, left: 0, bottom: 1, right: 1 }), { top: 0, left: 0, bottom: 1, right: 1 });
});
