import assert from "node:assert/strict";
import { test } from "node:test";
import { networks } from "../../tests/zoo.ts";
import { SenetError } from "../errors.ts";
import { checkDemands } from "./demands.ts";
import { inferenceGraph, model } from "./index.ts";
import type { LayerConfig } from "./layer.ts";

/** Of these layers and a classifier on top; with `imageSize`. */
function demands(layers: readonly LayerConfig[], imageSize: number, classes = 2): void {
  const last = layers.at(-1)?.name ?? "image";
  const all: LayerConfig[] = [
    ...layers,
    { name: "gp", kind: "globalAvgPool", inputs: [last] },
    { name: "fl", kind: "flatten", inputs: ["gp"] },
    { name: "fc", kind: "linear", inputs: ["fl"], out: classes, bias: false },
  ];
  const config = { family: "layers", imageSize, layers: all } as const;
  checkDemands(inferenceGraph({ name: "x", config, classes }, { batch: 1, imageSize }), "x.safetensors");
}

const refused = (run: () => void, words: RegExp) =>
  assert.throws(run, (error) => error instanceof SenetError && error.code === "weights" && words.test(error.message));

test("every network of the zoo asks for what it may, at the largest pictures that are usual too", () => {
  for (const [name, { imageSize }] of networks) {
    for (const side of [imageSize, imageSize === 32 ? 64 : 448]) {
      checkDemands(inferenceGraph(model(name), { batch: 1, imageSize: side }), name);
    }
  }
});

test("small networks on pictures of 224 pixels pass", () => {
  const conv = { kernel: 3, stride: 1, pad: 1, groups: 1, bias: false } as const;
  demands([{ name: "c", kind: "conv", inputs: ["image"], out: 16, ...conv }], 224);
});

test("classes, memory and time that its weights do not account for are refused", () => {
  refused(() => demands([], 8, 300_000), /too many classes[\s\S]*250,000[\s\S]*300,000/);
  refused(() => demands([], 8000), /too much memory[\s\S]*x\.safetensors|x\.safetensors[\s\S]*too much memory/);
  const doubled = Array.from({ length: 20 }, (_, i): LayerConfig => {
    const before = i === 0 ? "image" : `c${i - 1}`;
    return { name: `c${i}`, kind: "concat", inputs: [before, before] };
  });
  refused(() => demands(doubled, 16), /too much memory/);
  const window = { kernel: 200, stride: 1, pad: 100, ceil: false } as const;
  refused(() => demands([{ name: "p", kind: "avgPool", inputs: ["image"], ...window }], 400), /takes too long/);
  const conv = { out: 4, kernel: 99, stride: 1, pad: 49, groups: 1, bias: false } as const;
  refused(() => demands([{ name: "c", kind: "conv", inputs: ["image"], ...conv }], 1000), /takes too long/);
});
