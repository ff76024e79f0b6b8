import assert from "node:assert/strict";
import { test } from "node:test";
import { Scope } from "../nn/scope.ts";
import { addShortcut } from "../nn/se.ts";
import { inferenceGraph, lossGraph, model } from "../zoo/index.ts";
import { GraphBuilder } from "./builder.ts";
import { printGraph } from "./print.ts";

test("a graph prints as a line a value", () => {
  const builder = new GraphBuilder("the end of a block");
  const branch = builder.input("branch", [2, 32, 7, 7]);
  const shortcut = builder.input("shortcut", [2, 32, 7, 7]);
  const scope = new Scope(builder, { training: false, dtype: "float32" }, "layer1.0").asBlock(1);
  builder.output("y", addShortcut(scope, branch, shortcut, { reduction: 16, bias: true }));
  assert.equal(
    printGraph(builder.build()),
    `graph the end of a block {
  input branch: float32[2, 32, 7, 7]
  input shortcut: float32[2, 32, 7, 7]
  weight layer1.0.se.fc1.weight: float32[2, 32, 1, 1]
  bias layer1.0.se.fc1.bias: float32[2]
  weight layer1.0.se.fc2.weight: float32[32, 2, 1, 1]
  bias layer1.0.se.fc2.bias: float32[32]
  layer1.0.se.squeeze: float32[2, 32, 1, 1] = globalAvgPool(branch) @layer1.0 #se.squeeze
  layer1.0.se.fc1: float32[2, 2, 1, 1] = conv2d(layer1.0.se.squeeze, layer1.0.se.fc1.weight, layer1.0.se.fc1.bias) {stride: 1, pad: 0, groups: 1} @layer1.0
  layer1.0.se.relu: float32[2, 2, 1, 1] = relu(layer1.0.se.fc1) @layer1.0
  layer1.0.se.fc2: float32[2, 32, 1, 1] = conv2d(layer1.0.se.relu, layer1.0.se.fc2.weight, layer1.0.se.fc2.bias) {stride: 1, pad: 0, groups: 1} @layer1.0
  layer1.0.se.gate: float32[2, 32, 1, 1] = sigmoid(layer1.0.se.fc2) @layer1.0 #se.gate
  layer1.0.axpy: float32[2, 32, 7, 7] = seScaleAdd(layer1.0.se.gate, branch, shortcut) @layer1.0
  output y = layer1.0.axpy
}`,
  );
});

test("several outputs, attributes that are lists, and updates are printed", () => {
  const builder = new GraphBuilder("training");
  const x = builder.input("x", [2, 3]);
  const running = builder.parameter("running", [3], "mean");
  const flat = builder.apply("flattenBackward", "back", [x], { inputShape: [2, 3, 1, 1] });
  const gamma = builder.parameter("gamma", [3], "gamma");
  const [y, mean] = builder.apply("batchNormTraining", "norm", [flat, gamma, gamma], { eps: 1e-5 });
  const average = builder.apply("runningAverage", "next", [running, mean], { decay: 0.9, scale: 1.5 });
  builder.update(running, average);
  builder.output("y", y);
  assert.deepEqual(printGraph(builder.build()).split("\n").slice(4), [
    "  back: float32[2, 3, 1, 1] = flattenBackward(x) {inputShape: [2, 3, 1, 1]}",
    "  norm: float32[2, 3, 1, 1], norm.mean: float32[3], norm.variance: float32[3] = batchNormTraining(back, gamma, gamma) {eps: 0.00001}",
    "  next: float32[3] = runningAverage(running, norm.mean) {decay: 0.9, scale: 1.5}",
    "  output y = norm",
    "  update running = next",
    "}",
  ]);
});

test("equal graphs print equally, different ones do not", () => {
  const print = (imageSize: number) => printGraph(inferenceGraph(model("se-resnet-20"), { batch: 1, imageSize }));
  assert.equal(print(32), print(32));
  assert.notEqual(print(32), print(40));
  const training = lossGraph(model("se-resnet-20"), { batch: 2, imageSize: 32 });
  // 21 batch norms: the stem's, two in each of nine blocks, two projections; each has a mean and a variance.
  assert.equal(printGraph(training).match(/^ {2}update /gm)?.length, 42);
});
