import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { classOrderOf, imagenetLabels, withIds } from "./imagenet-classes.ts";
import { parseLabels } from "./label-file.ts";

const parse = (text: string) => parseLabels(Buffer.from(text), "labels.txt");
const three = ["cat", "tree frog", "owl, barn"];

const forms: Readonly<Record<string, string>> = {
  "a name a line": "cat\ntree frog\nowl, barn\n",
  "a byte order mark, CRLF and empty lines at the end": "\uFEFFcat\r\ntree frog\r\nowl, barn\r\n\r\n\n",
  "a list in JSON": '["cat", "tree frog", "owl, barn"]',
  "JSON by number": '{"0": "cat", "2": "owl, barn", "1": "tree frog"}',
  "JSON by name": '{"cat": 0, "owl, barn": 2, "tree frog": 1}',
  "a table": "0,cat\n1,tree frog\n2,owl, barn\n",
  "a table with headings, in another order": 'index;label\n2;"owl, barn"\n0;cat\n1;tree frog',
  "a table with the names first": 'label,index\ncat,0\n"owl, barn",2\ntree frog,1\n',
  tabs: "0\tcat\n1\ttree frog\n2\towl, barn",
  "what Python prints of a dict": "{0: 'cat',\n 1: 'tree frog',\n 2: 'owl, barn'}",
  "numbers before the names": "0 cat\n1 tree frog\n2 owl, barn",
  "numbers from 1": "1,cat\n2,tree frog\n3,owl, barn",
  "JSON by number from 1": '{"1": "cat", "3": "owl, barn", "2": "tree frog"}',
  "a list in YAML": "- cat\n- 'tree frog'\n- owl, barn\n",
  "a list in YAML under a key": 'names:\n  - cat\n  - tree frog\n  - "owl, barn"\n',
  "YAML by number under a key": "names:\n  0: cat\n  1: tree frog\n  2: owl, barn\n",
  "names in quotes": '"cat"\n"tree frog"\n"owl, barn"\n',
};
for (const [form, text] of Object.entries(forms)) {
  test(`labels: ${form}`, () => {
    assert.deepEqual(parse(text), three);
    const wide = Buffer.from(`\uFEFF${text.replace(/^\uFEFF/, "")}`, "utf16le");
    assert.deepEqual(parseLabels(wide, "labels.txt"), three);
  });
}

test("WordNet ids stay before the names, also those of Keras's file", () => {
  const both = ["n01440764 tench, Tinca tinca", "n01443537 goldfish"];
  assert.deepEqual(parse(both.join("\n")), both);
  assert.deepEqual(parse('{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}'), [
    "n01440764 tench",
    "n01443537 goldfish",
  ]);
});

test("numbers that are names stay names", () => {
  assert.deepEqual(parse("7\n8\n9"), ["7", "8", "9"]);
  assert.deepEqual(parse("1 euro\n2 euro\n5 cent"), ["1 euro", "2 euro", "5 cent"]);
  assert.deepEqual(parse("1 euro\n2 euro"), ["1 euro", "2 euro"]);
  assert.deepEqual(parse("- cat\nowl"), ["- cat", "owl"]);
});

const wrong: readonly (readonly [text: string, words: RegExp])[] = [
  ["cat\n\nowl", /a class has no name[\s\S]*number 1/],
  ["cat\ndog\ncat", /two classes have the same name[\s\S]*"cat", as number 0 and as number 2/],
  ['{"0": "cat", "2": "owl"}', /numbers of the classes are not those from 0 up/],
  ['["cat", 7]', /not the name of a class/],
  ['["cat"', /not JSON/],
  ["", /a class has no name/],
];
for (const [text, words] of wrong) {
  test(`labels that cannot be used: ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parse(text),
      (error) => error instanceof SenetError && error.code === "usage" && words.test(error.message),
    );
  });
}

test("ImageNet's names without ids get them, in either order; cranes and maillots are told apart", () => {
  for (const order of ["devkit", "sorted"] as const) {
    const full = imagenetLabels(order);
    const names = full.map((label) => label.slice(10).replaceAll(" ", "_"));
    assert.equal(new Set(names).size, 998);
    const found = withIds(parse(names.join("\n")));
    assert.equal(classOrderOf(found), order);
    assert.equal(new Set(found).size, 1000);
    assert.deepEqual(withIds(full), full);
  }
  const others = Array.from({ length: 1000 }, (_, i) => `name ${i}`);
  assert.equal(withIds(others), others);
});
