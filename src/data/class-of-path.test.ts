import assert from "node:assert/strict";
import { test } from "node:test";
import { classesOfPaths } from "./class-of-path.ts";

/** `cat`, or `cat (val)`, in the order of the paths. */
const classesOf = (...paths: string[]) =>
  classesOfPaths(paths).map(({ label, part }) => (part === undefined ? label : `${label} (${part})`));

test("a class is a folder below the one that has them all; pictures may lie deeper in it", () => {
  assert.deepEqual(classesOf("pets/cat/1.jpg", "pets/dog/old/1.jpg", "pets/dog/2.jpg"), ["cat", "dog", "dog"]);
  assert.deepEqual(classesOf("cat/a/1.jpg", "cat/b/1.jpg", "dog/1.jpg"), ["cat", "cat", "dog"], "several are dropped");
  assert.deepEqual(classesOf("my/pets/cat/a/1.jpg", "my/pets/dog/1.jpg"), ["cat", "dog"], "folders around them");
  assert.deepEqual(classesOf("cat/1.jpg", "cat/2.jpg"), ["cat", "cat"], "one class");
  assert.deepEqual(classesOf("cat/1.jpg", "cat/more/2.jpg"), ["cat", "cat"]);
});

test("what lies beside classes, or in no folder, is of none", () => {
  assert.deepEqual(classesOf("1.jpg", "2.jpg"), [undefined, undefined]);
  assert.deepEqual(classesOf("pets/cover.jpg", "pets/cat/1.jpg", "pets/dog/1.jpg"), [undefined, "cat", "dog"]);
  assert.deepEqual(classesOf("1.jpg", "cat/1.jpg"), [undefined, "cat"]);
  assert.deepEqual(classesOf(), []);
});

test("parts have the classes, and the pictures of a class may be called like a part", () => {
  assert.deepEqual(classesOf("nette/train/cat/1.jpg", "nette/train/dog/x/1.jpg", "nette/val/dog/2.jpg"), [
    "cat (train)",
    "dog (train)",
    "dog (val)",
  ]);
  assert.deepEqual(classesOf("Train/cat/1.jpg", "Validation/cat/2.jpg"), ["cat (train)", "cat (val)"]);
  assert.deepEqual(classesOf("vehicles/train/1.jpg", "vehicles/bus/1.jpg"), ["train", "bus"]);
});
