import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { needsShared, sharedData } from "../../tests/support.ts";
import { imagenetLabels } from "./imagenet-classes.ts";
import { type Numbered, orderOfNumbers } from "./imagenet-validation.ts";

/** The first pictures of the validation set and their classes, as everybody knows them. */
const first: readonly (readonly [picture: number, id: string])[] = [
  [1, "n01751748"],
  [2, "n09193705"],
  [3, "n02105855"],
  [4, "n04263257"],
  [5, "n03125729"],
];
const listed = (order: "devkit" | "sorted", from = 0): Numbered[] =>
  first.map(([picture, id]) => ({
    name: `val/ILSVRC2012_val_${`${picture}`.padStart(8, "0")}.JPEG`,
    number: imagenetLabels(order).findIndex((label) => label.startsWith(id)) + from,
  }));

test("the order of a list is told by the names of its pictures, of several or of one", () => {
  for (const order of ["devkit", "sorted"] as const) {
    assert.deepEqual(orderOfNumbers(listed(order)), { order, fromOne: false });
    for (const one of listed(order)) assert.deepEqual(orderOfNumbers([one]), { order, fromOne: false });
    assert.deepEqual(orderOfNumbers(listed(order, 1)), { order, fromOne: true });
  }
});

test("pictures for training have their class in their name", () => {
  const [devkit, sorted] = [imagenetLabels("devkit"), imagenetLabels("sorted")];
  const of = (labels: readonly string[]) =>
    ["n01440764", "n02012849"].flatMap((id) => {
      const number = labels.findIndex((label) => label.startsWith(id));
      return [
        { name: `train/${id}/${id}_10026.JPEG`, number },
        { name: `${id}_7.JPEG`, number },
      ];
    });
  assert.deepEqual(orderOfNumbers(of(devkit)), { order: "devkit", fromOne: false });
  assert.deepEqual(orderOfNumbers(of(sorted)), { order: "sorted", fromOne: false });
});

test("names that tell nothing, and numbers that fit no order", () => {
  assert.equal(orderOfNumbers([{ name: "cat.jpg", number: 3 }]), undefined);
  assert.equal(orderOfNumbers([{ name: "ILSVRC2012_val_00050001.JPEG", number: 3 }]), undefined);
  assert.equal(orderOfNumbers([{ name: "n01440764_10026.JPEG", number: 500 }]), "neither");
});

test("every one of the original's 50,000 lines", needsShared("imagenet", "ILSVRC2017_val.txt"), () => {
  const lines = readFileSync(sharedData("imagenet", "ILSVRC2017_val.txt"), "utf8").trim().split("\n");
  const [devkit, sorted] = [imagenetLabels("devkit"), imagenetLabels("sorted")];
  const places = new Map(sorted.map((label, place) => [label, place]));
  for (const line of lines) {
    const [name, number] = line.split(" ");
    assert.deepEqual(orderOfNumbers([{ name: name!, number: Number(number) }])?.valueOf(), {
      order: "devkit",
      fromOne: false,
    });
    const other = { name: name!, number: places.get(devkit[Number(number)]!)! };
    assert.deepEqual(orderOfNumbers([other]), { order: "sorted", fromOne: false });
  }
});
