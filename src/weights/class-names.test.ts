import assert from "node:assert/strict";
import { test } from "node:test";
import { readHubConfig } from "../import/hub.ts";
import { model } from "../zoo/index.ts";
import { hubLabels, labelsFor, ownLabels } from "./class-names.ts";

const three = model("se-resnet-20", 3);

test("names beside the weights are taken where they fit and tell the classes apart, and else it is said why not", () => {
  const choose = (all: Readonly<Record<string, readonly string[]>>, isAsked = false) => {
    const notes: string[] = [];
    const said = Object.entries(all).map(([key, labels]) => ({ key, labels }));
    return [ownLabels(said, three, isAsked, notes), notes.join()] as const;
  };
  assert.deepEqual(choose({ two: ["a", "b"], CLASSES: ["ant", "bee", "cat"] }), [
    ["ant", "bee", "cat"],
    'class names are those in its "CLASSES"',
  ]);
  const [none, why] = choose({ names: ["a", "b"] });
  assert.deepEqual([none, /has 2 names, but the network has 3 classes/.test(why)], [undefined, true]);
  const [same, whySame] = choose({ names: ["a", "b"], CLASSES: ["a", "a", "b"] });
  assert.deepEqual([same, /"CLASSES" has the same name for several classes/.test(whySame)], [undefined, true]);
  assert.deepEqual(choose({ CLASSES: ["a", "a", "b"], names: ["a", "b", "c"] })[0], ["a", "b", "c"]);
  assert.deepEqual(choose({ CLASSES: ["a", "a", "b"] }, true), [undefined, ""]);
  assert.deepEqual(choose({}), [undefined, ""]);
});

test("names of a config.json are taken where they fit and tell the classes apart", () => {
  const choose = (config: object) => {
    const notes: string[] = [];
    const file = Buffer.from(JSON.stringify({ architecture: "seresnet20", num_classes: 3, ...config }));
    return [hubLabels(readHubConfig(file, "config.json"), three, notes), notes.join()] as const;
  };
  assert.deepEqual(choose({ label_names: ["a", "b", "c"] }), [["a", "b", "c"], ""]);
  assert.deepEqual(choose({}), [undefined, ""]);
  const [same, why] = choose({ label_names: ["a", "b", "a"] });
  assert.deepEqual([same, /the same name for several classes/.test(why)], [undefined, true]);
  assert.match(choose({ label_names: ["a", "b"] })[1], /has 2 classes, but the network has 3/);
});

test("names that are asked for have to be as many as classes", () => {
  const labels = ["0", "1", "2"];
  assert.deepEqual(labelsFor(["x", "y", "z"], { labels, model: three }, "file"), ["x", "y", "z"]);
  assert.throws(() => labelsFor(["x"], { labels, model: three }, "file"), { code: "usage" });
  assert.throws(() => labelsFor(undefined, { labels: ["x"], model: three }, "file"), { code: "weights" });
});
