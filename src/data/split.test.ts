import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { golden } from "../../tests/support.ts";
import { tarOf } from "../../tests/tar.ts";
import { SenetError } from "../errors.ts";
import { openPictures } from "../evaluate/labelled.node.ts";
import type { Dataset } from "./dataset.ts";
import { openDataset } from "./datasets.node.ts";
import { holdOut } from "./hold-out.ts";
import { nameIn } from "./sample-name.node.ts";
import { openTrainingData } from "./split.node.ts";

function folderOf(...paths: readonly string[]): string {
  const root = temporaryFolder();
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), "");
  }
  return root;
}

const many = (name: string, count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => `${name}/${from + i}.jpg`);
const namesOf = (dataset: Dataset): string[] => dataset.samples.map(({ file }) => nameIn(dataset, file)).sort();

function refuses(action: () => unknown, code: string, ...patterns: RegExp[]): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof SenetError && error.code === code, String(error));
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
}

test("a part of each class is kept back, by the seed, with no picture in both", () => {
  const root = folderOf(...many("cat", 400), ...many("dog", 100), ...many("eel", 2));
  const { train, val, remarks } = openTrainingData(root, { valSplit: 0.1, seed: 3 });
  assert.deepEqual(remarks, []);
  assert.deepEqual([...namesOf(train), ...namesOf(val)].sort(), namesOf(openDataset(root)));
  const held = (name: string) => namesOf(val).filter((path) => path.startsWith(name)).length;
  assert.ok(held("cat") > 25 && held("cat") < 58, `${held("cat")} of 400`);
  assert.ok(held("dog") > 2 && held("dog") < 22, `${held("dog")} of 100`);
  assert.equal(held("eel"), 1);
  assert.deepEqual(namesOf(openTrainingData(root, { valSplit: 0.1, seed: 3 }).val), namesOf(val));
  assert.notDeepEqual(namesOf(openTrainingData(root, { valSplit: 0.1, seed: 4 }).val), namesOf(val));
  // More is kept back of a larger part, and nothing goes to the other side.
  const more = new Set(namesOf(openTrainingData(root, { valSplit: 0.3, seed: 3 }).val));
  assert.ok(namesOf(val).every((name) => more.has(name) || name.startsWith("eel")) && more.size > 100);
});

test("pictures that are added later move none of the others, wherever the folder lies", () => {
  const few = folderOf(...many("cat", 50), ...many("dog", 50));
  const more = folderOf(...many("cat", 80), ...many("dog", 50), ...many("ant", 9));
  const held = (root: string) => namesOf(openTrainingData(root, { valSplit: 0.2 }).val);
  const before = new Set(namesOf(openDataset(few)));
  assert.deepEqual(
    held(more).filter((name) => before.has(name)),
    held(few),
  );
});

test("each side has a picture of every class that has two; a single one is trained on", () => {
  const root = folderOf(...many("a", 2), ...many("b", 3), ...many("c", 1));
  for (const valSplit of [0.001, 0.999]) {
    const { train, val, remarks } = openTrainingData(root, { valSplit });
    const labels = ({ samples }: Dataset) => [...new Set(samples.map(({ label }) => label))];
    assert.deepEqual(labels(train), [0, 1, 2]);
    assert.deepEqual(labels(val), [0, 1]);
    assert.match(remarks.join(), /no pictures of 1 of the 3 classes, which are not validated: "c"/);
  }
  refuses(
    () => openTrainingData(folderOf("a/1.jpg", "b/1.jpg"), { valSplit: 0.1 }),
    "data",
    /too few pictures to keep some back/,
  );
  for (const valSplit of [0, 1, Number.NaN])
    refuses(() => openTrainingData(root, { valSplit }), "usage", /0\.1 is a tenth/);
});

test("of data in parts the one to train on is divided", () => {
  const root = folderOf(...many("train/cat", 30), ...many("train/dog", 30), ...many("test/cat", 2, 90));
  const { train, val, remarks } = openTrainingData(root, { valSplit: 0.2 });
  assert.equal(train.samples.length + val.samples.length, 60);
  assert.deepEqual(remarks, ["test/ is not used: a part of train/ is kept back to validate with"]);
  // Classes may be called so.
  assert.deepEqual(
    openTrainingData(folderOf(...many("train", 9), ...many("bus", 9)), { valSplit: 0.3 }).train.classes,
    ["bus", "train"],
  );
  const archive = (...paths: string[]): string => {
    const file = join(temporaryFolder(), "all.tar");
    writeFileSync(file, tarOf(paths.map((name) => ({ name }))));
    return file;
  };
  const parts = openTrainingData(archive(...many("train/a", 20), ...many("train/b", 20), ...many("val/a", 9)), {
    valSplit: 0.25,
  });
  assert.equal(parts.train.samples.length + parts.val.samples.length, 40);
  const whole = openTrainingData(archive(...many("a", 20), ...many("b", 20)), { valSplit: 0.25 });
  assert.deepEqual([whole.train.classes, whole.train.samples.length + whole.val.samples.length], [["a", "b"], 40]);
});

test("evaluation measures on what training kept back", () => {
  const root = folderOf(
    ...many("train/cat", 40),
    ...many("train/dog", 40),
    ...many("val/cat", 2),
    ...many("val/dog", 2),
  );
  const held = { valSplit: 0.2, seed: 5 };
  const { val } = openTrainingData(root, held);
  const options = { data: root, list: undefined, listOrder: undefined, allowMissing: false, areNamed: false };
  assert.deepEqual(namesOf(openPictures({ ...options, held }, ["cat", "dog"])), namesOf(val));
  assert.deepEqual(namesOf(openPictures({ ...options, held }, ["0", "1"])), namesOf(val));
});

test("lists name what is trained on and what is validated with; a folder for each number gives the classes' names", () => {
  const root = folderOf("n1/a.jpg", "n2/b.jpg", "n2/c.jpg", "v1.jpg", "v2.jpg");
  const listOf = (name: string, text: string): string => {
    writeFileSync(join(root, name), text);
    return join(root, name);
  };
  const list = listOf("train.txt", "n2/b.jpg 0\nn1/a.jpg 1\nn2/c.jpg 0\n");
  const valList = listOf("val.txt", "v1.jpg 1\nv2.jpg 0\n");
  const { train, val, remarks } = openTrainingData(root, { list, valList });
  assert.deepEqual(train.classes, ["n2", "n1"]);
  assert.equal(val.classes, train.classes);
  assert.deepEqual(
    train.samples.map(({ label }) => label),
    [0, 1, 0],
  );
  assert.deepEqual(namesOf(val), ["v1.jpg", "v2.jpg"]);
  assert.deepEqual(remarks, []);
  // A number with two folders, a folder with two numbers, and none: the numbers are the names.
  for (const text of ["n1/a.jpg 0\nn2/b.jpg 0\nv1.jpg 1\n", "n2/b.jpg 0\nn2/c.jpg 1\n", "v1.jpg 1\nv2.jpg 0\n"]) {
    assert.deepEqual(openTrainingData(root, { list: listOf("x.txt", text), valList }).train.classes, ["0", "1"]);
  }
  const missing = listOf("missing.txt", "n2/b.jpg 0\nn1/a.jpg 1\nn1/none.jpg 1\n");
  refuses(() => openTrainingData(root, { list: missing, valList }), "data", /missing is n1\/none\.jpg/);
  assert.deepEqual(openTrainingData(root, { list: missing, valList, allowMissing: true }).remarks, [
    "pictures on the list that are missing: 1 of 3",
  ]);
  refuses(() => openTrainingData(root, { list, valList: listOf("y.txt", "v1.jpg 2\n") }), "data", /0 to 1/);
  refuses(
    () => openTrainingData(root, { list: listOf("z.txt", "v1.jpg 400000000\n"), valList }),
    "data",
    /so many classes/,
  );
  refuses(() => openTrainingData(root, { list }), "usage", /`list` alone/);
  refuses(() => openTrainingData(root, { valList }), "usage", /no `list`/);
  refuses(() => openTrainingData(root, { list, valList, valSplit: 0.5 }), "usage", /all three/);
  const divided = openTrainingData(root, { list, valSplit: 0.5 });
  assert.deepEqual([...namesOf(divided.train), ...namesOf(divided.val)].sort(), ["n1/a.jpg", "n2/b.jpg", "n2/c.jpg"]);
});

test("holdOut leaves the data's own order", () => {
  const root = temporaryFolder();
  for (const name of ["a", "b"]) {
    mkdirSync(join(root, name));
    for (let i = 0; i < 20; i++) copyFileSync(golden("images", "rgb.png"), join(root, name, `${i}.png`));
  }
  const dataset = openDataset(root);
  const { train, val } = holdOut(dataset, { valSplit: 0.4, seed: 1 }, nameIn);
  const places = new Map(dataset.samples.map((sample, place) => [sample, place]));
  for (const { samples } of [train, val]) {
    const order = samples.map((sample) => places.get(sample)!);
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    );
  }
});
