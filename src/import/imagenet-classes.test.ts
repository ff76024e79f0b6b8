import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { needsShared, sharedData } from "../../tests/support.ts";
import { classOrderOf, imagenetLabels } from "./imagenet-classes.ts";

const idOf = (label: string) => label.slice(0, 9);

test("a thousand different ids, each with a name, in both orders", () => {
  for (const order of ["devkit", "sorted"] as const) {
    const labels = imagenetLabels(order);
    assert.equal(new Set(labels.map(idOf)).size, 1000);
    for (const label of labels) assert.match(label, /^n\d{8} \S.*\S$/);
    assert.equal(classOrderOf(labels), order);
    assert.equal(classOrderOf(labels.map((label) => idOf(label))), order);
  }
  // docs/networks.md, 2.2: kit fox and English setter come first in one order, tench in the other.
  assert.deepEqual(imagenetLabels("devkit").slice(0, 2), ["n02119789 kit fox", "n02100735 English setter"]);
  assert.equal(imagenetLabels("sorted")[0], "n01440764 tench");
  assert.equal(imagenetLabels("devkit")[489], "n01751748 sea snake");
  assert.equal(classOrderOf(imagenetLabels("sorted").toReversed()), undefined);
  assert.equal(classOrderOf(["n02119789 kit fox"]), undefined);
});

for (const order of ["devkit", "sorted"] as const) {
  test(`the ${order} order is the public list's`, needsShared("imagenet"), () => {
    const lines = readFileSync(sharedData("imagenet", `synsets-${order}.txt`), "utf8")
      .trimEnd()
      .split("\n");
    const labels = imagenetLabels(order);
    assert.deepEqual(
      labels.map(idOf),
      lines.map((line) => line.slice(0, 9)),
    );
    if (order === "sorted") return;
    assert.deepEqual(
      labels,
      lines.map((line) => line.split(",")[0]!),
    );
  });
}
