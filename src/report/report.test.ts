import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReportData } from "./data.ts";
import { renderReport } from "./report.ts";

/** Three classes, two epochs, one block of two channels, one right and one wrong picture. */
const data: ReportData = {
  title: "A small run",
  model: "se-resnet-20",
  parameters: 274_584,
  multiplyAdds: 41_321_984,
  top1Error: 25,
  top5Error: 0,
  trainImages: 1440,
  validationImages: 4,
  measuredImages: 4,
  seconds: 95,
  seed: 7,
  executor: "ort",
  command: "senet train --data pictures --seed 7",
  facts: [{ name: "Threads", value: "2" }],
  remarks: ["Looked at: all of them."],
  loss: { name: "binary cross-entropy, the mean over all classes", besides: ["label smoothing", "mixed pictures"] },
  epochs: [1, 2].map((epoch) => ({
    epoch,
    learningRate: 0.1 / epoch,
    trainLoss: 2.25 / epoch,
    trainTop1Error: 80 / epoch,
    validationLoss: 2.5 / epoch,
    validationTop1Error: 50 / epoch,
    seconds: 47.5,
    imagesPerSecond: 30.25 * epoch,
  })),
  classes: ["cat", "dog", "fish"],
  confusion: [2, 0, 0, 1, 1, 0, 0, 0, 0],
  samples: [
    {
      title: "Validation",
      samples: [
        {
          file: "val/dog/1.jpg",
          image: "/9j/AAAA",
          label: 1,
          top: [
            { index: 0, probability: 0.875 },
            { index: 1, probability: 0.125 },
          ],
        },
        {
          file: "val/cat/2.png",
          image: "iVBORw0K",
          label: 0,
          top: [{ index: 0, probability: 0.5 }],
        },
      ],
    },
  ],
  gates: [{ block: "layer1.0.se", stage: 1, channels: 2, means: [0.2, 0.4, 0.6, 0.8, Number.NaN, Number.NaN] }],
  configuration: { batchSize: 64, stepEpochs: [30, 60], learningRate: null, schedule: "cosine" },
};

/** Elements that have no end tag. */
const voids = new Set(["meta", "img", "br"]);

/** Asserts that tags nest and that attributes are quoted and unique; gives back all `[tag, attributes]`. */
function parse(page: string): (readonly [string, Map<string, string>])[] {
  const elements: (readonly [string, Map<string, string>])[] = [];
  const open: string[] = [];
  const body = page.replace(/<style>[^<]*<\/style>/, "").replace("<!doctype html>", "");
  const tag = /<(\/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s+[a-zA-Z-]+="[^"<>]*")*)\s*(\/?)>/y;
  for (let at = body.indexOf("<"); at >= 0; at = body.indexOf("<", tag.lastIndex)) {
    tag.lastIndex = at;
    const match = tag.exec(body);
    assert.ok(match, `not a tag: ${body.slice(at, at + 80)}`);
    const [, end, name, text, self] = match;
    if (end === "/") {
      assert.equal(open.pop(), name, `end tag near ${body.slice(at - 60, at + 20)}`);
      continue;
    }
    const attributes = new Map<string, string>();
    for (const [, key, value] of text!.matchAll(/([a-zA-Z-]+)="([^"]*)"/g)) {
      assert.ok(!attributes.has(key!), `${key} twice in <${name}>`);
      attributes.set(key!, value!);
    }
    elements.push([name!, attributes]);
    if (self !== "/" && !voids.has(name!)) open.push(name!);
  }
  assert.deepEqual(open, []);
  return elements;
}

/** The text of the page without its tags and with single spaces. */
const textOf = (page: string): string =>
  page
    .replace(/<style>[^<]*<\/style>/, "")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ");

test("the numbers of the run are on the page", () => {
  const text = textOf(renderReport(data));
  for (const expected of [
    "A small run",
    "75.00 % error 25.00 %", // top-1
    "100.00 % error 0.00 %", // top-5
    "1 min 35 s",
    "275 k 274,584",
    "41.3 M",
    "1,440 and 4 for validation",
    "senet train --data pictures --seed 7",
    "Threads 2",
    "Looked at: all of them.",
    "2 0.05 1.1250 60.00 % 1.2500 75.00 % 47.5 60.5", // the second epoch
    "dog 1 1 · 50.0 %", // a row of the confusion matrix
    "fish · · · –", // a class without pictures
    "dog taken for cat × 1",
    "dog ✗ wrong cat 87.5 % dog 12.5 % val/dog/1.jpg",
    "cat ✓ right cat 50.0 % val/cat/2.png",
    "layer1.0.se mean 0.50, classes differ by ±0.2",
    "batchSize 64",
    "stepEpochs [30,60]",
    "learningRate null",
  ]) {
    assert.ok(text.includes(expected), `"${expected}" is missing in:\n${text}`);
  }
});

test("a run that keeps an average of its weights shows how that one does", () => {
  const without = renderReport(data);
  assert.ok(!without.includes("average"), "of other runs nothing is said of one");
  const epochs = data.epochs.map((row) => ({ ...row, averageLoss: row.validationLoss / 2, averageTop1Error: 12.5 }));
  const page = renderReport({ ...data, epochs });
  parse(page);
  const text = textOf(page);
  assert.ok(text.includes("2 0.05 1.1250 60.00 % 1.2500 75.00 % 0.6250 87.50 % 47.5 60.5"), text);
  assert.ok(page.includes("average accuracy, epoch 2: 87.5"), "a point of its line");
  assert.match(page, /class="line line-mean"/);
  assert.match(page, /the last: training 60.00 %, validation 75.00 %, average 87.50 %/);
});

test("the page is well formed, reads aloud, and loads nothing from elsewhere", () => {
  const page = renderReport(data);
  const elements = parse(page);
  const named = (name: string) => elements.filter(([tag]) => tag === name).map(([, attributes]) => attributes);
  for (const [tag, attributes] of elements) {
    assert.ok(!["script", "link", "iframe", "object", "base"].includes(tag), tag);
    for (const [key, value] of attributes) {
      assert.ok(!key.startsWith("on"), `${key} in <${tag}>`);
      if (key === "src") assert.match(value, /^data:image\/jpeg;base64,/);
      if (key === "href") assert.match(value, /^#/);
    }
  }
  assert.doesNotMatch(page, /https?:|url\(|@import/);
  assert.equal(named("img").length, 2);
  assert.equal(named("img")[0]!.get("alt"), "val/dog/1.jpg: shows dog, classified as cat");
  assert.equal(named("svg").length, 5);
  for (const svg of named("svg")) assert.ok(svg.get("role") === "img" && svg.get("aria-label")!.length > 20);
  for (const th of named("th")) assert.match(th.get("scope") ?? "", /^(row|col)$/);
  const ids = elements.map(([, attributes]) => attributes.get("id")).filter((id) => id !== undefined);
  assert.equal(new Set(ids).size, ids.length);
  for (const link of named("a")) assert.ok(ids.includes(link.get("href")!.slice(1)));
});

test("hostile names stay text", () => {
  const hostile = `"><img src=x onerror='alert(1)'></style></svg><script>&amp;\u0000`;
  const page = renderReport({
    ...data,
    title: hostile,
    model: hostile,
    executor: hostile,
    command: hostile,
    facts: [{ name: hostile, value: hostile }],
    remarks: [hostile],
    classes: [hostile, `${hostile}2`, "fish"],
    samples: data.samples.map((group) => ({
      title: hostile,
      samples: group.samples.map((sample) => ({ ...sample, file: hostile })),
    })),
    gates: data.gates.map((gate) => ({ ...gate, block: hostile })),
    configuration: { [hostile]: hostile, list: [hostile] },
  });
  const tags = (text: string) => parse(text).map(([tag]) => tag);
  // The same elements as with harmless names: nothing was let in.
  assert.deepEqual(tags(page), tags(renderReport({ ...data, configuration: { a: 1, b: 2 } })));
  assert.ok(page.includes("&lt;script&gt;&amp;amp;\ufffd"));
});

test("an unfinished run, an unknown class and values that are no numbers still give a page", () => {
  const [first] = data.epochs;
  const nan = { ...first!, epoch: 3, trainLoss: Number.NaN, validationLoss: Number.POSITIVE_INFINITY };
  const sample = { ...data.samples[0]!.samples[0]!, label: undefined };
  for (const epochs of [[], [first!], [...data.epochs, nan]]) {
    const page = renderReport({ ...data, epochs, gates: [], samples: [{ title: "New", samples: [sample] }] });
    parse(page);
    assert.doesNotMatch(page.replace(/<style>[^<]*<\/style>/, ""), /NaN|Infinity|undefined/);
    assert.match(textOf(page), /The network has no SE blocks/);
  }
  assert.match(textOf(renderReport({ ...data, epochs: [] })), /No epoch was finished/);
});

test("with many classes the matrix shows those with the most errors", () => {
  const n = 60;
  const confusion = new Uint32Array(n * n);
  for (let i = 0; i < n; i++) confusion[i * n + i] = 10;
  for (const i of [3, 41]) {
    confusion[i * n + i] = 4;
    confusion[i * n + ((i + 1) % n)] = 6;
  }
  const classes = Array.from({ length: n }, (_, i) => `class-${i}`);
  const page = renderReport({ ...data, classes, confusion, samples: [], gates: [] });
  const text = textOf(page);
  assert.match(text, /Of 60 classes, the 24 with the most errors are shown/);
  assert.match(text, /class-41 taken for class-42 × 6/);
  assert.match(page, /<th scope="row">class-41<\/th>/);
  assert.doesNotMatch(page, /<th scope="row">class-59<\/th>/);
});

test("a run whose pictures are gone has its curves, and says what is missing", () => {
  const { command: _, ...rest } = data;
  const gone = { trainImages: null, validationImages: null, measuredImages: 0, samples: [], gates: [] };
  const page = renderReport({ ...rest, ...gone, remarks: ["Its pictures were not there."] });
  parse(page);
  const text = textOf(page);
  assert.match(text, /Its pictures were not there\./);
  assert.match(text, /No pictures were checked/);
  assert.doesNotMatch(text, /for validation|Command |no SE blocks/);
  assert.match(text, /Learning rate/);
});
