import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { golden } from "../../tests/support.ts";
import { tarOf } from "../../tests/tar.ts";
import { SenetError } from "../errors.ts";
import { imagenetLabels } from "../import/imagenet-classes.ts";
import { openPictures, type Pictures } from "./labelled.node.ts";

const numbers = (count: number) => Array.from({ length: count }, (_, i) => `${i}`);

/** One picture in each. */
function folders(names: readonly string[]): string {
  const root = temporaryFolder();
  for (const name of names) {
    mkdirSync(join(root, name));
    copyFileSync(golden("images", "grey.png"), join(root, name, "a.png"));
  }
  return root;
}

const open = (data: string, labels: readonly string[], more: Partial<Pictures> = {}) =>
  openPictures(
    { data, list: undefined, listOrder: undefined, allowMissing: false, held: undefined, areNamed: false, ...more },
    labels,
  );

/** The label of each folder. */
const labelsOf = (root: string, found: ReturnType<typeof open>) =>
  Object.fromEntries(
    found.samples.map(({ file, label }) => [file.slice(root.length + 1).replace(/.a\.png$/, ""), label]),
  );

test("folders called by numbers are in torchvision's order where the weights have no names", () => {
  const root = folders(numbers(12));
  const found = open(root, numbers(12));
  const labels = labelsOf(root, found);
  assert.deepEqual(
    [labels["0"], labels["1"], labels["10"], labels["11"], labels["2"], labels["9"]],
    [0, 1, 2, 3, 4, 11],
  );
  assert.match(found.remarks!.join(), /in the order of their names as text.*0, 1, 10, \.\.\./);
  // Names that were given are names.
  assert.equal(labelsOf(root, open(root, numbers(12), { areNamed: true }))["10"], 10);
  const own = numbers(12).toSorted();
  assert.equal(labelsOf(root, open(root, own))["10"], own.indexOf("10"));
});

test("so are folders of any names, if there are as many", () => {
  const root = folders(["owl", "ant", "Bee"]);
  assert.deepEqual(labelsOf(root, open(root, numbers(3))), { Bee: 0, ant: 1, owl: 2 });
});

test("a part of the folders tells the order of up to ten numbers, and of more it does not", () => {
  const root = folders(["3", "7"]);
  assert.deepEqual(labelsOf(root, open(root, numbers(9))), { 3: 3, 7: 7 });
  assert.throws(
    () => open(root, numbers(12)),
    (error) => error instanceof SenetError && error.code === "usage" && error.message.includes("`labels`"),
  );
});

test("two classes of one name are not guessed between", () => {
  const root = folders(["crane", "owl"]);
  assert.throws(
    () => open(root, ["crane", "owl", "crane"]),
    (error) =>
      error instanceof SenetError && /crane: several classes of the network have this name/.test(error.message),
  );
});

function list(content: string, name = "ILSVRC2012_val_00000001.JPEG"): Partial<Pictures> & { data: string } {
  const data = temporaryFolder();
  copyFileSync(golden("images", "grey.png"), join(data, name));
  writeFileSync(join(data, "list.txt"), content);
  return { data, list: join(data, "list.txt") };
}
const sea = (order: "devkit" | "sorted") => imagenetLabels(order).findIndex((label) => label.startsWith("n01751748"));

test("a list of ImageNet's is read in the order that its pictures' names tell", () => {
  for (const labels of [imagenetLabels("devkit"), imagenetLabels("sorted")]) {
    for (const order of ["devkit", "sorted"] as const) {
      const given = list(`\uFEFFILSVRC2012_val_00000001.JPEG ${sea(order)}\r\n`);
      const found = open(given.data, labels, given);
      assert.match(labels[found.samples[0]!.label]!, /^n01751748/);
      assert.match(found.remarks!.join(), new RegExp(`${order} order, as the names`));
    }
  }
});

test("where the names tell nothing, the order is asked for; what is said against them is done, with a word", () => {
  const unknown = list("a.png 65\n", "a.png");
  const labels = imagenetLabels("sorted");
  assert.throws(
    () => open(unknown.data, labels, unknown),
    (error) => error instanceof SenetError && error.code === "usage" && /`listOrder` devkit/.test(error.message),
  );
  assert.equal(open(unknown.data, labels, { ...unknown, listOrder: "sorted" }).samples[0]!.label, 65);
  const known = list(`ILSVRC2012_val_00000001.JPEG ${sea("sorted")}\n`);
  const found = open(known.data, labels, { ...known, listOrder: "devkit" });
  assert.doesNotMatch(labels[found.samples[0]!.label]!, /^n01751748/);
  assert.match(found.remarks!.join(), /point to sorted order, not to `listOrder` devkit/);
});

test("a list of ImageNet's is not counted for 1,000 classes of an order that nobody knows", () => {
  const { data, ...more } = list("ILSVRC2012_val_00000001.JPEG 65\n");
  assert.throws(
    () => open(data, numbers(1000), more),
    (error) => error instanceof SenetError && error.code === "usage" && error.message.includes("`labels`"),
  );
  // Names that were given, or pictures that are not ImageNet's, are counted as they stand.
  const named = open(data, numbers(1000), { ...more, areNamed: true });
  assert.equal(named.samples[0]!.label, 65);
  const others = list("a.png 65\n", "a.png");
  assert.equal(open(others.data, numbers(1000), others).samples[0]!.label, 65);
});

/** A number and a picture of that name for each. */
function webDataset(entries: Readonly<Record<string, number>>): string {
  const file = join(temporaryFolder(), "a.tar");
  const grey = readFileSync(golden("images", "grey.png"));
  const members = Object.entries(entries).flatMap(([key, number]) => [
    { name: `${key}.png`, bytes: grey },
    { name: `${key}.cls`, bytes: `${number}` },
  ]);
  writeFileSync(file, tarOf(members));
  return file;
}

test("numbers in an archive are the network's where it has no names; ImageNet's have an order", () => {
  const labelsIn = (found: ReturnType<typeof open>) => found.samples.map(({ label }) => label);
  const few = webDataset({ a: 11, b: 3 });
  assert.deepEqual(labelsIn(open(few, numbers(12))), [3, 11]);
  assert.deepEqual(labelsIn(open(few, numbers(20))), [3, 11]);
  assert.throws(() => open(few, numbers(11)), /no class of this number/);
  // Class 65 in sorted order, 490 in the challenge's own.
  const [sorted, devkit] = [imagenetLabels("sorted"), imagenetLabels("devkit")];
  const sea = webDataset({ n01751748_1: 65 });
  assert.deepEqual(labelsIn(open(sea, sorted)), [65]);
  assert.deepEqual(labelsIn(open(sea, devkit)), [devkit.findIndex((name) => name.startsWith("n01751748"))]);
  assert.throws(() => open(sea, numbers(1000)), /order of the network's 1,000 classes is not known/);
  const unknown = webDataset({ a: 65 });
  assert.throws(() => open(unknown, sorted), /`listOrder` devkit/);
  assert.deepEqual(labelsIn(open(unknown, sorted, { listOrder: "sorted" })), [65]);
});

test("CIFAR's own order is that of a network without names", () => {
  const root = temporaryFolder();
  const record = new Uint8Array(3073);
  record[0] = 7;
  writeFileSync(join(root, "test_batch.bin"), record);
  assert.equal(open(root, numbers(10)).samples[0]!.label, 7);
  writeFileSync(join(root, "batches.meta.txt"), "j i h g f e d c b a".replaceAll(" ", "\n"));
  const found = open(root, numbers(10));
  assert.deepEqual([found.classes[7], found.samples[0]!.label], ["c", 7]);
  assert.match(found.remarks!.join(), /those of the data, in its order \(j, i, h, \.\.\.\)/);
  assert.equal(open(root, [..."abcdefghij"]).samples[0]!.label, 2);
});
