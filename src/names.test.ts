import assert from "node:assert/strict";
import { test } from "node:test";
import { editDistance, nearestNames } from "./names.ts";

test("a transposition is one edit", () => {
  assert.equal(editDistance("resent", "resnet"), 1);
  assert.equal(editDistance("", "abc"), 3);
});

test("the nearest names come first, spelling aside", () => {
  assert.deepEqual(nearestNames("SE_ResNet50", ["resnet-50", "se-resnet-50", "se-resnet-18"], 1), ["se-resnet-50"]);
});
