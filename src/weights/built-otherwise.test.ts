import assert from "node:assert/strict";
import { test } from "node:test";
import { foldedGraph } from "../passes/fold-batch-norm.ts";
import { inferenceGraph, type Model, model } from "../zoo/index.ts";
import { differences, foldedNorms } from "./built-otherwise.ts";

const graph = (network: string | Model) =>
  inferenceGraph(typeof network === "string" ? model(network) : network, { batch: 1, imageSize: 32 });

test("strides, paddings and poolings in which networks of the same parameters differ are named, with both values", () => {
  assert.deepEqual(differences(graph("resnet-50-modern"), graph("se-resnet-50-modern")), []);
  const found = differences(graph("resnet-50-modern"), graph("se-resnet-50"));
  assert.deepEqual(found.slice(0, 2), [
    "layer2.0.conv1 stride 2 (there stride 1)",
    "layer2.0.conv2 stride 1 (there stride 2)",
  ]);
  assert.equal(found.length, 7);
  assert.equal(found.at(-1), "maxpool pad 0, ceil true (there pad 1, ceil false)");
  const { config, ...rest } = model("se-resnet-20");
  const other = { ...rest, config: { ...config, act: "silu" } } as Model;
  assert.deepEqual(differences(graph(other), graph("resnet-20")), ["19 × relu (there 0)", "0 × silu (there 19)"]);
  // Another stem has parameters of its own, which are no difference in settings.
  assert.deepEqual(differences(graph("resnet-50-d"), graph("se-resnet-50-d")), []);
});

test("convolutions with a bias and no batch norm behind them are counted, but not those of the gates", () => {
  assert.deepEqual(foldedNorms(graph("se-resnet-20")), { convolutions: 21, withoutNorm: 0 });
  // The last stage has a single position, like the gates.
  assert.deepEqual(foldedNorms(graph("se-resnet-18")), { convolutions: 20, withoutNorm: 0 });
  assert.deepEqual(foldedNorms(foldedGraph(graph("se-resnet-20"))), { convolutions: 21, withoutNorm: 21 });
});
