import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { printGraph } from "../ir/print.ts";
import { configSchema, inferenceGraph, lossGraph, type Model } from "./index.ts";
import type { LayerConfig } from "./layer.ts";

const modelOf = (layers: readonly LayerConfig[], classes = 3): Model => ({
  name: "small",
  config: { family: "layers", imageSize: 8, layers },
  classes,
});
const relu = (name: string, ...inputs: string[]): LayerConfig => ({ kind: "relu", name, inputs });
const add = (name: string, ...inputs: string[]): LayerConfig => ({ kind: "add", name, inputs });
const head: readonly LayerConfig[] = [
  { kind: "globalAvgPool", name: "pool", inputs: ["x"] },
  { kind: "flatten", name: "logits", inputs: ["pool"] },
];
const lines = (model: Model): string[] =>
  printGraph(inferenceGraph(model, { batch: 1, imageSize: 8 }))
    .split("\n")
    .filter((line) => line.includes(" = ") && !line.includes("output"))
    .map((line) => line.trim());

test("layers become operations of the same names; a sum of many is a chain", () => {
  assert.deepEqual(lines(modelOf([relu("a", "image"), add("x", "a", "image", "a"), ...head])), [
    "a: float32[1, 3, 8, 8] = relu(image) @x",
    "x.0: float32[1, 3, 8, 8] = add(a, image) @x",
    "x: float32[1, 3, 8, 8] = add(x.0, a) @x",
    "pool: float32[1, 3, 1, 1] = globalAvgPool(x)",
    "logits: float32[1, 3] = flatten(pool)",
  ]);
});

test("dropout is there when training alone, and batch norm goes by the mode", () => {
  const layers: LayerConfig[] = [
    { kind: "batchNorm", name: "bn", inputs: ["image"], eps: 1e-3 },
    { kind: "dropout", name: "x", inputs: ["bn"], rate: 0.5 },
    ...head,
  ];
  assert.deepEqual(
    lines(modelOf(layers)).map((line) => line.replace(/^.* = /, "")),
    [
      "batchNorm(image, bn.weight, bn.bias, bn.running_mean, bn.running_var) {eps: 0.001}",
      "globalAvgPool(bn)",
      "flatten(pool)",
    ],
  );
  const { nodes, inputs, updates } = lossGraph(modelOf(layers), { batch: 2, imageSize: 8 });
  const operations = nodes.map(({ op }) => op);
  assert.ok(operations.includes("batchNormTraining") && operations.includes("dropout"));
  assert.ok(inputs.some(({ name }) => name === "x.keep"));
  assert.equal(updates.size, 2);
});

test("windows that differ by axis and by side, means of pixels alone, a fixed gamma and a factor are layers too", () => {
  const behind = { top: 0, left: 0, bottom: 1, right: 1 };
  const layers: LayerConfig[] = [
    { kind: "batchNorm", name: "bn", inputs: ["image"], eps: 1e-3, fixedGamma: true },
    {
      ...{ kind: "conv", name: "conv", inputs: ["bn"], out: 3, kernel: [1, 7], stride: [1, 2] },
      ...{ pad: { top: 0, left: 2, bottom: 0, right: 3 }, groups: 1, bias: false },
    },
    {
      kind: "avgPool",
      name: "mean",
      inputs: ["conv"],
      kernel: 3,
      stride: 2,
      pad: behind,
      ceil: false,
      countPad: false,
    },
    { kind: "multiply", name: "x", inputs: ["mean"], factor: 0.1 },
    ...head,
  ];
  const model = modelOf(layers);
  assert.deepEqual(configSchema.parse(JSON.parse(JSON.stringify(model.config))), model.config);
  assert.deepEqual(lines(model).slice(1, 4), [
    "conv: float32[1, 3, 8, 4] = conv2d(bn, conv.weight) {stride: [1, 2], pad: {top: 0, left: 2, bottom: 0, right: 3}, groups: 1}",
    "mean: float32[1, 3, 4, 2] = avgPool(conv) {kernel: 3, stride: 2, pad: {top: 0, left: 0, bottom: 1, right: 1}, ceil: false, countPad: false}",
    "x: float32[1, 3, 4, 2] = multiply(mean) {factor: 0.1}",
  ]);
  const { parameters } = lossGraph(model, { batch: 2, imageSize: 8 });
  assert.deepEqual(
    parameters.filter(({ frozen }) => frozen).map(({ name }) => name),
    ["bn.weight"],
  );
  const beyond = { ...behind, right: 3 };
  const windows = layers.map((layer) => (layer.kind === "avgPool" ? { ...layer, pad: beyond } : layer));
  assert.throws(() => lines(modelOf(windows)), /a pad below 3/);
});

test("layers that do not fit each other are refused by name", () => {
  const refused = (layers: readonly LayerConfig[], what: RegExp, classes = 3) =>
    assert.throws(
      () => inferenceGraph(modelOf(layers, classes), { batch: 1, imageSize: 8 }),
      (error) => error instanceof SenetError && what.test(error.message),
    );
  refused([], /the last layer does not give the logits/);
  refused([relu("x", "image")], /x: the last layer.*\n.*\[N, 3\]\n.*\[1, 3, 8, 8\]/);
  refused([relu("x", "image"), ...head], /\[N, 4\]/, 4);
  refused([relu("a", "b"), relu("b", "image")], /a: there is no layer "b" before this one/);
  refused([relu("a", "a")], /a: there is no layer "a" before this one/);
  refused([relu("a", "image"), relu("a", "image")], /a: there are two layers of this name/);
  refused([relu("image", "image")], /image: there are two layers/);
  refused([relu("a", "image", "image")], /a: a layer of kind relu has other inputs/);
  refused([add("a", "image")], /a: a layer of kind add has other inputs/);
  const conv = {
    kind: "conv",
    name: "c",
    inputs: ["image"],
    out: 4,
    kernel: 1,
    stride: 1,
    pad: 0,
    bias: true,
  } as const;
  refused([{ ...conv, groups: 2 }], /c: channels do not divide into groups/);
  const pool = { kind: "avgPool", name: "p", inputs: ["image"], kernel: 2, stride: 1, pad: 2, ceil: true } as const;
  refused([pool], /p: a window of padding alone/);
  refused([{ kind: "linear", name: "l", inputs: ["image"], out: 3, bias: true }], /l \(linear\)/);
});
