import assert from "node:assert/strict";
import { test } from "node:test";
import { imagenetPreprocessing } from "./preprocess.ts";
import { seenRegion } from "./region.ts";

test("what the network sees is found in the picture's own pixels", () => {
  const spec = imagenetPreprocessing;
  // 500 × 375 becomes 341 × 256, of which the middle 224 pixels are seen, from 58 and 16 on.
  const { left, top, width, height } = seenRegion({ width: 500, height: 375 }, spec);
  assert.deepEqual([left, top], [(58 * 500) / 341, (16 * 375) / 256]);
  assert.deepEqual([width, height], [(224 * 500) / 341, (224 * 375) / 256]);
  assert.deepEqual(seenRegion({ width: 256, height: 256 }, spec), { left: 16, top: 16, width: 224, height: 224 });
  // Black around it, and proportions that are not kept.
  const small = seenRegion({ width: 100, height: 100 }, { ...spec, resize: 200, crop: 224 });
  assert.deepEqual(small, { left: -6, top: -6, width: 112, height: 112 });
  const squashed = seenRegion({ width: 200, height: 100 }, { ...spec, resize: [256, 256], crop: 256 });
  assert.deepEqual(squashed, { left: 0, top: 0, width: 200, height: 100 });
});
