import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { Dataset } from "../data/dataset.ts";
import { nameIn } from "../data/sample-name.node.ts";
import { changesBetween, fingerprintOf, fingerprintSchema } from "./fingerprint.ts";

const classes = ["ant", "bee", "cat"];
/** The pictures of each class, by name. */
const folder = (names: readonly (readonly string[])[], root = "/data"): Dataset => ({
  root,
  classes,
  samples: names.flatMap((files, label) => files.map((file) => ({ file: join(root, classes[label]!, file), label }))),
});
const before = [["1.jpg", "2.jpg"], ["1.jpg"], ["é.jpg"]];
const val = folder([["9.jpg"], ["9.jpg"], ["9.jpg"]]);
const print = (names: readonly (readonly string[])[], root?: string) => fingerprintOf(folder(names, root), val, nameIn);
const changes = (names: readonly (readonly string[])[]) => changesBetween(print(before), print(names), classes);

test("the same pictures in another place are the same, in any order and either spelling of é", () => {
  assert.deepEqual(changesBetween(print(before), print(before, "/elsewhere"), classes), []);
  assert.deepEqual(changes([["2.jpg", "1.jpg"], ["1.jpg"], ["e\u0301.jpg"]]), []);
  const text = JSON.stringify(print(before));
  assert.deepEqual(fingerprintSchema.parse(JSON.parse(text)), print(before));
});

test("what changed is told: more, fewer and other pictures, by class and part", () => {
  assert.deepEqual(changes([["1.jpg"], ["1.jpg", "2.jpg", "3.jpg"], ["é.jpg"]]), [
    "5 pictures to train on instead of 4 (ant: 1 instead of 2, bee: 3 instead of 1)",
  ]);
  assert.deepEqual(changes([["1.jpg", "3.jpg"], ["1.jpg"], []]), [
    "3 pictures to train on instead of 4 (cat: 0 instead of 1)",
    "other pictures to train on of the same number in ant",
  ]);
  const fewer = fingerprintOf(folder(before), folder([["9.jpg"], ["8.jpg"], []]), nameIn);
  assert.deepEqual(changesBetween(print(before), fewer, classes), [
    "2 pictures to validate with instead of 3 (cat: 0 instead of 1)",
    "other pictures to validate with of the same number in bee",
  ]);
});
