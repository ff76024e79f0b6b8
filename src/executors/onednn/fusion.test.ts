/** The fused nodes of blocks as text, and where operations must stay apart. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaWeights } from "../../../tests/formula.ts";
import { differentiate } from "../../autodiff/differentiate.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import type { AnyNode, Graph, Value } from "../../ir/graph.ts";
import { printGraph, printOperation } from "../../ir/print.ts";
import { basicBlock, bottleneck } from "../../nn/blocks.ts";
import { Scope } from "../../nn/scope.ts";
import { inferencePasses, runPasses } from "../../passes/index.ts";
import { recompute } from "../../passes/recompute.ts";
import { inferenceGraph, lossGraph, model } from "../../zoo/index.ts";
import type { FusedGraph, FusedNode } from "./fused.ts";
import { fuse } from "./fusion.ts";

const inBlocks = { layout: "blocks", block: 16 } as const;

const folded = (graph: Graph): Graph => runPasses({ graph, weights: formulaWeights(graph) }, inferencePasses).graph;

/** A graph of one block, with its gradients where it trains. */
function blockGraph(training: boolean, make: (scope: Scope, x: Value) => Value): Graph {
  const builder = new GraphBuilder("block");
  const y = make(new Scope(builder, { training, dtype: "float32" }), builder.input("x", [2, 32, 8, 8]));
  builder.output("y", y);
  if (!training) return folded(builder.build());
  const seed = builder.input("dy", y.type.shape);
  return differentiate(builder.build(), { of: "y", seed });
}

const se = { reduction: 16, bias: true };
const seBottleneck = (scope: Scope, x: Value) =>
  bottleneck(scope, x, { out: 64, width: 16, stride: 2, strideOn: "1x1", se });

/** `relu1: float32[...] = conv2d(x, w, b) {stride: 1, ..., sum: shortcut, activation: relu} of conv2d + add + relu` */
function printFusedNode({ kind, ops, inputs, attrs, outputs, sum, activation, forward }: FusedNode): string {
  const more = { ...(sum && { sum: sum.name }), ...(activation && { activation }) };
  const link = forward && { forward: forward.name };
  const holds = ops.map(({ op }) => op).join(" + ");
  const text = printOperation(outputs, kind, inputs, { ...attrs, ...more, ...link });
  return holds === kind ? text : `${text} of ${holds}`;
}

/** A fused graph as stable text, like `printGraph`. */
const printFused = ({ graph, nodes }: FusedGraph): string => printGraph(graph, nodes.map(printFusedNode));

const linesOf = (graph: Graph, isWanted: (node: FusedNode) => boolean = () => true): string =>
  fuse(graph, inBlocks).nodes.filter(isWanted).map(printFusedNode).join("\n");

test("an SE bottleneck at inference: convolutions with bias and activation, the scale with shortcut and ReLU", () => {
  assert.equal(
    printFused(fuse(blockGraph(false, seBottleneck), inBlocks)),
    `graph block {
  input x: float32[2, 32, 8, 8]
  weight conv1.weight: float32[16, 32, 1, 1]
  weight conv2.weight: float32[16, 16, 3, 3]
  weight conv3.weight: float32[64, 16, 1, 1]
  weight downsample.0.weight: float32[64, 32, 1, 1]
  weight se.fc1.weight: float32[4, 64, 1, 1]
  bias se.fc1.bias: float32[4]
  weight se.fc2.weight: float32[64, 4, 1, 1]
  bias se.fc2.bias: float32[64]
  bias conv1.bias: float32[16]
  bias conv2.bias: float32[16]
  bias conv3.bias: float32[64]
  bias downsample.0.bias: float32[64]
  relu1: float32[2, 16, 4, 4] = conv2d(x, conv1.weight, conv1.bias) {stride: 2, pad: 0, groups: 1, activation: relu} of conv2d + relu
  relu2: float32[2, 16, 4, 4] = conv2d(relu1, conv2.weight, conv2.bias) {stride: 1, pad: 1, groups: 1, activation: relu} of conv2d + relu
  bn3: float32[2, 64, 4, 4] = conv2d(relu2, conv3.weight, conv3.bias) {stride: 1, pad: 0, groups: 1}
  downsample.1: float32[2, 64, 4, 4] = conv2d(x, downsample.0.weight, downsample.0.bias) {stride: 2, pad: 0, groups: 1}
  se.squeeze: float32[2, 64, 1, 1] = globalAvgPool(bn3)
  se.relu: float32[2, 4, 1, 1] = linear(se.squeeze, se.fc1.weight, se.fc1.bias) {activation: relu} of conv2d + relu
  se.gate: float32[2, 64, 1, 1] = linear(se.relu, se.fc2.weight, se.fc2.bias) {activation: sigmoid} of conv2d + sigmoid
  relu: float32[2, 64, 4, 4] = scale(se.gate, bn3) {sum: downsample.1, activation: relu} of seScaleAdd + relu
  output y = relu
}`,
  );
});

test("an SE bottleneck in training: batch norms with ReLU both ways, biases with weights, the squeeze's share", () => {
  assert.equal(
    linesOf(blockGraph(true, seBottleneck)),
    `conv1: float32[2, 16, 4, 4] = conv2d(x, conv1.weight) {stride: 2, pad: 0, groups: 1}
relu1: float32[2, 16, 4, 4], bn1.mean: float32[16], bn1.variance: float32[16] = batchNormTraining(conv1, bn1.weight, bn1.bias) {eps: 0.00001, activation: relu} of batchNormTraining + relu
bn1.running_mean.next: float32[16] = runningAverage(bn1.running_mean, bn1.mean) {decay: 0.9, scale: 1}
bn1.running_var.next: float32[16] = runningAverage(bn1.running_var, bn1.variance) {decay: 0.9, scale: 1.032258064516129}
conv2: float32[2, 16, 4, 4] = conv2d(relu1, conv2.weight) {stride: 1, pad: 1, groups: 1}
relu2: float32[2, 16, 4, 4], bn2.mean: float32[16], bn2.variance: float32[16] = batchNormTraining(conv2, bn2.weight, bn2.bias) {eps: 0.00001, activation: relu} of batchNormTraining + relu
bn2.running_mean.next: float32[16] = runningAverage(bn2.running_mean, bn2.mean) {decay: 0.9, scale: 1}
bn2.running_var.next: float32[16] = runningAverage(bn2.running_var, bn2.variance) {decay: 0.9, scale: 1.032258064516129}
conv3: float32[2, 64, 4, 4] = conv2d(relu2, conv3.weight) {stride: 1, pad: 0, groups: 1}
bn3: float32[2, 64, 4, 4], bn3.mean: float32[64], bn3.variance: float32[64] = batchNormTraining(conv3, bn3.weight, bn3.bias) {eps: 0.00001}
bn3.running_mean.next: float32[64] = runningAverage(bn3.running_mean, bn3.mean) {decay: 0.9, scale: 1}
bn3.running_var.next: float32[64] = runningAverage(bn3.running_var, bn3.variance) {decay: 0.9, scale: 1.032258064516129}
downsample.0: float32[2, 64, 4, 4] = conv2d(x, downsample.0.weight) {stride: 2, pad: 0, groups: 1}
downsample.1: float32[2, 64, 4, 4], downsample.1.mean: float32[64], downsample.1.variance: float32[64] = batchNormTraining(downsample.0, downsample.1.weight, downsample.1.bias) {eps: 0.00001}
downsample.1.running_mean.next: float32[64] = runningAverage(downsample.1.running_mean, downsample.1.mean) {decay: 0.9, scale: 1}
downsample.1.running_var.next: float32[64] = runningAverage(downsample.1.running_var, downsample.1.variance) {decay: 0.9, scale: 1.032258064516129}
se.squeeze: float32[2, 64, 1, 1] = globalAvgPool(bn3)
se.relu: float32[2, 4, 1, 1] = linear(se.squeeze, se.fc1.weight, se.fc1.bias) {activation: relu} of conv2d + relu
se.gate: float32[2, 64, 1, 1] = linear(se.relu, se.fc2.weight, se.fc2.bias) {activation: sigmoid} of conv2d + sigmoid
relu: float32[2, 64, 4, 4] = scale(se.gate, bn3) {sum: downsample.1, activation: relu} of seScaleAdd + relu
relu.backward: float32[2, 64, 4, 4] = reluBackward(relu, dy)
axpy.backward.gate: float32[2, 64, 1, 1] = gateGradient(bn3, relu.backward) of seScaleBackward
se.gate.backward: float32[2, 64, 1, 1] = sigmoidBackward(se.gate, axpy.backward.gate)
se.fc2.backward.input: float32[2, 4, 1, 1] = linearBackwardInput(se.gate.backward, se.fc2.weight) of conv2dBackwardInput
se.fc2.backward.weight: float32[64, 4, 1, 1], se.fc2.backward.bias: float32[64] = linearBackwardWeight(se.relu, se.gate.backward) of conv2dBackwardWeight + channelSum
se.relu.backward: float32[2, 4, 1, 1] = reluBackward(se.relu, se.fc2.backward.input)
se.fc1.backward.input: float32[2, 64, 1, 1] = linearBackwardInput(se.relu.backward, se.fc1.weight) of conv2dBackwardInput
se.fc1.backward.weight: float32[4, 64, 1, 1], se.fc1.backward.bias: float32[4] = linearBackwardWeight(se.squeeze, se.relu.backward) of conv2dBackwardWeight + channelSum
se.squeeze.backward.share: float32[2, 64, 1, 1] = share(se.fc1.backward.input) {positions: 16} of globalAvgPoolBackward
se.squeeze.backward.sum0: float32[2, 64, 4, 4] = scale(se.gate, relu.backward) {sum: se.squeeze.backward.share} of seScaleBackward + add
downsample.1.backward: float32[2, 64, 4, 4], downsample.1.backward.gamma: float32[64], downsample.1.backward.beta: float32[64] = batchNormBackward(downsample.0, downsample.1.weight, downsample.1.mean, downsample.1.variance, relu.backward) {eps: 0.00001, forward: downsample.1}
downsample.0.backward.weight: float32[64, 32, 1, 1] = conv2dBackwardWeight(x, downsample.1.backward) {stride: 2, pad: 0, groups: 1, weightShape: [64, 32, 1, 1]}
bn3.backward: float32[2, 64, 4, 4], bn3.backward.gamma: float32[64], bn3.backward.beta: float32[64] = batchNormBackward(conv3, bn3.weight, bn3.mean, bn3.variance, se.squeeze.backward.sum0) {eps: 0.00001, forward: bn3}
conv3.backward.input: float32[2, 16, 4, 4] = conv2dBackwardInput(bn3.backward, conv3.weight) {stride: 1, pad: 0, groups: 1, inputShape: [2, 16, 4, 4]}
conv3.backward.weight: float32[64, 16, 1, 1] = conv2dBackwardWeight(relu2, bn3.backward) {stride: 1, pad: 0, groups: 1, weightShape: [64, 16, 1, 1]}
bn2.backward: float32[2, 16, 4, 4], bn2.backward.gamma: float32[16], bn2.backward.beta: float32[16] = batchNormBackward(conv2, bn2.weight, bn2.mean, bn2.variance, conv3.backward.input) {eps: 0.00001, activation: relu, forward: bn2} of reluBackward + batchNormBackward
conv2.backward.input: float32[2, 16, 4, 4] = conv2dBackwardInput(bn2.backward, conv2.weight) {stride: 1, pad: 1, groups: 1, inputShape: [2, 16, 4, 4]}
conv2.backward.weight: float32[16, 16, 3, 3] = conv2dBackwardWeight(relu1, bn2.backward) {stride: 1, pad: 1, groups: 1, weightShape: [16, 16, 3, 3]}
bn1.backward: float32[2, 16, 4, 4], bn1.backward.gamma: float32[16], bn1.backward.beta: float32[16] = batchNormBackward(conv1, bn1.weight, bn1.mean, bn1.variance, conv2.backward.input) {eps: 0.00001, activation: relu, forward: bn1} of reluBackward + batchNormBackward
conv1.backward.weight: float32[16, 32, 1, 1] = conv2dBackwardWeight(x, bn1.backward) {stride: 2, pad: 0, groups: 1, weightShape: [16, 32, 1, 1]}`,
  );
});

test("the first block of SE-ResNet-20 in training", () => {
  const graph = differentiate(lossGraph(model("se-resnet-20", 10), { batch: 2, imageSize: 32 }));
  assert.equal(
    linesOf(graph, ({ name }) => name.startsWith("layer1.0.")),
    `layer1.0.conv1: float32[2, 16, 32, 32] = conv2d(relu1, layer1.0.conv1.weight) {stride: 1, pad: 1, groups: 1}
layer1.0.relu1: float32[2, 16, 32, 32], layer1.0.bn1.mean: float32[16], layer1.0.bn1.variance: float32[16] = batchNormTraining(layer1.0.conv1, layer1.0.bn1.weight, layer1.0.bn1.bias) {eps: 0.00001, activation: relu} of batchNormTraining + relu
layer1.0.bn1.running_mean.next: float32[16] = runningAverage(layer1.0.bn1.running_mean, layer1.0.bn1.mean) {decay: 0.9, scale: 1}
layer1.0.bn1.running_var.next: float32[16] = runningAverage(layer1.0.bn1.running_var, layer1.0.bn1.variance) {decay: 0.9, scale: 1.0004885197850513}
layer1.0.conv2: float32[2, 16, 32, 32] = conv2d(layer1.0.relu1, layer1.0.conv2.weight) {stride: 1, pad: 1, groups: 1}
layer1.0.bn2: float32[2, 16, 32, 32], layer1.0.bn2.mean: float32[16], layer1.0.bn2.variance: float32[16] = batchNormTraining(layer1.0.conv2, layer1.0.bn2.weight, layer1.0.bn2.bias) {eps: 0.00001}
layer1.0.bn2.running_mean.next: float32[16] = runningAverage(layer1.0.bn2.running_mean, layer1.0.bn2.mean) {decay: 0.9, scale: 1}
layer1.0.bn2.running_var.next: float32[16] = runningAverage(layer1.0.bn2.running_var, layer1.0.bn2.variance) {decay: 0.9, scale: 1.0004885197850513}
layer1.0.se.squeeze: float32[2, 16, 1, 1] = globalAvgPool(layer1.0.bn2)
layer1.0.se.relu: float32[2, 1, 1, 1] = linear(layer1.0.se.squeeze, layer1.0.se.fc1.weight, layer1.0.se.fc1.bias) {activation: relu} of conv2d + relu
layer1.0.se.gate: float32[2, 16, 1, 1] = linear(layer1.0.se.relu, layer1.0.se.fc2.weight, layer1.0.se.fc2.bias) {activation: sigmoid} of conv2d + sigmoid
layer1.0.relu: float32[2, 16, 32, 32] = scale(layer1.0.se.gate, layer1.0.bn2) {sum: relu1, activation: relu} of seScaleAdd + relu
layer1.0.relu.backward: float32[2, 16, 32, 32] = reluBackward(layer1.0.relu, layer1.1.conv1.backward.sum0)
layer1.0.axpy.backward.gate: float32[2, 16, 1, 1] = gateGradient(layer1.0.bn2, layer1.0.relu.backward) of seScaleBackward
layer1.0.se.gate.backward: float32[2, 16, 1, 1] = sigmoidBackward(layer1.0.se.gate, layer1.0.axpy.backward.gate)
layer1.0.se.fc2.backward.input: float32[2, 1, 1, 1] = linearBackwardInput(layer1.0.se.gate.backward, layer1.0.se.fc2.weight) of conv2dBackwardInput
layer1.0.se.fc2.backward.weight: float32[16, 1, 1, 1], layer1.0.se.fc2.backward.bias: float32[16] = linearBackwardWeight(layer1.0.se.relu, layer1.0.se.gate.backward) of conv2dBackwardWeight + channelSum
layer1.0.se.relu.backward: float32[2, 1, 1, 1] = reluBackward(layer1.0.se.relu, layer1.0.se.fc2.backward.input)
layer1.0.se.fc1.backward.input: float32[2, 16, 1, 1] = linearBackwardInput(layer1.0.se.relu.backward, layer1.0.se.fc1.weight) of conv2dBackwardInput
layer1.0.se.fc1.backward.weight: float32[1, 16, 1, 1], layer1.0.se.fc1.backward.bias: float32[1] = linearBackwardWeight(layer1.0.se.squeeze, layer1.0.se.relu.backward) of conv2dBackwardWeight + channelSum
layer1.0.se.squeeze.backward.share: float32[2, 16, 1, 1] = share(layer1.0.se.fc1.backward.input) {positions: 1024} of globalAvgPoolBackward
layer1.0.se.squeeze.backward.sum0: float32[2, 16, 32, 32] = scale(layer1.0.se.gate, layer1.0.relu.backward) {sum: layer1.0.se.squeeze.backward.share} of seScaleBackward + add
layer1.0.bn2.backward: float32[2, 16, 32, 32], layer1.0.bn2.backward.gamma: float32[16], layer1.0.bn2.backward.beta: float32[16] = batchNormBackward(layer1.0.conv2, layer1.0.bn2.weight, layer1.0.bn2.mean, layer1.0.bn2.variance, layer1.0.se.squeeze.backward.sum0) {eps: 0.00001, forward: layer1.0.bn2}
layer1.0.conv2.backward.input: float32[2, 16, 32, 32] = conv2dBackwardInput(layer1.0.bn2.backward, layer1.0.conv2.weight) {stride: 1, pad: 1, groups: 1, inputShape: [2, 16, 32, 32]}
layer1.0.conv2.backward.weight: float32[16, 16, 3, 3] = conv2dBackwardWeight(layer1.0.relu1, layer1.0.bn2.backward) {stride: 1, pad: 1, groups: 1, weightShape: [16, 16, 3, 3]}
layer1.0.bn1.backward: float32[2, 16, 32, 32], layer1.0.bn1.backward.gamma: float32[16], layer1.0.bn1.backward.beta: float32[16] = batchNormBackward(layer1.0.conv1, layer1.0.bn1.weight, layer1.0.bn1.mean, layer1.0.bn1.variance, layer1.0.conv2.backward.input) {eps: 0.00001, activation: relu, forward: layer1.0.bn1} of reluBackward + batchNormBackward
layer1.0.conv1.backward.input: float32[2, 16, 32, 32] = conv2dBackwardInput(layer1.0.bn1.backward, layer1.0.conv1.weight) {stride: 1, pad: 1, groups: 1, inputShape: [2, 16, 32, 32]}
layer1.0.conv1.backward.weight: float32[16, 16, 3, 3] = conv2dBackwardWeight(relu1, layer1.0.bn1.backward) {stride: 1, pad: 1, groups: 1, weightShape: [16, 16, 3, 3]}
layer1.0.conv1.backward.sum0: float32[2, 16, 32, 32] = add(layer1.0.relu.backward, layer1.0.conv1.backward.input)`,
  );
});

test("an Inception module at inference", () => {
  const graph = folded(inferenceGraph(model("se-bn-inception", 10), { batch: 1, imageSize: 64 }));
  assert.equal(
    linesOf(graph, ({ name }) => name.startsWith("inception_3a.")),
    `inception_3a.single.relu1: float32[1, 64, 8, 8] = conv2d(pool2, inception_3a.single.conv1.weight, inception_3a.single.conv1.bias) {stride: 1, pad: 0, groups: 1, activation: relu} of conv2d + relu
inception_3a.triple.relu1: float32[1, 64, 8, 8] = conv2d(pool2, inception_3a.triple.conv1.weight, inception_3a.triple.conv1.bias) {stride: 1, pad: 0, groups: 1, activation: relu} of conv2d + relu
inception_3a.triple.relu2: float32[1, 64, 8, 8] = conv2d(inception_3a.triple.relu1, inception_3a.triple.conv2.weight, inception_3a.triple.conv2.bias) {stride: 1, pad: 1, groups: 1, activation: relu} of conv2d + relu
inception_3a.double.relu1: float32[1, 64, 8, 8] = conv2d(pool2, inception_3a.double.conv1.weight, inception_3a.double.conv1.bias) {stride: 1, pad: 0, groups: 1, activation: relu} of conv2d + relu
inception_3a.double.relu2: float32[1, 96, 8, 8] = conv2d(inception_3a.double.relu1, inception_3a.double.conv2.weight, inception_3a.double.conv2.bias) {stride: 1, pad: 1, groups: 1, activation: relu} of conv2d + relu
inception_3a.double.relu3: float32[1, 96, 8, 8] = conv2d(inception_3a.double.relu2, inception_3a.double.conv3.weight, inception_3a.double.conv3.bias) {stride: 1, pad: 1, groups: 1, activation: relu} of conv2d + relu
inception_3a.pool: float32[1, 192, 8, 8] = avgPool(pool2) {kernel: 3, stride: 1, pad: 1, ceil: true}
inception_3a.projection.relu1: float32[1, 32, 8, 8] = conv2d(inception_3a.pool, inception_3a.projection.conv1.weight, inception_3a.projection.conv1.bias) {stride: 1, pad: 0, groups: 1, activation: relu} of conv2d + relu
inception_3a.concat: float32[1, 256, 8, 8] = concat(inception_3a.single.relu1, inception_3a.triple.relu2, inception_3a.double.relu3, inception_3a.projection.relu1)
inception_3a.se.squeeze: float32[1, 256, 1, 1] = globalAvgPool(inception_3a.concat)
inception_3a.se.relu: float32[1, 16, 1, 1] = linear(inception_3a.se.squeeze, inception_3a.se.fc1.weight, inception_3a.se.fc1.bias) {activation: relu} of conv2d + relu
inception_3a.se.gate: float32[1, 256, 1, 1] = linear(inception_3a.se.relu, inception_3a.se.fc2.weight, inception_3a.se.fc2.bias) {activation: sigmoid} of conv2d + sigmoid
inception_3a.scale: float32[1, 256, 8, 8] = scale(inception_3a.se.gate, inception_3a.concat) of seScale`,
  );
});

const residual = (scope: Scope, x: Value) => basicBlock(scope, x, { out: 32, stride: 1, se: undefined });

test("a shortcut is added by the convolution before it, where layouts are known beforehand", () => {
  const graph = blockGraph(false, residual);
  assert.equal(
    linesOf(graph),
    `relu1: float32[2, 32, 8, 8] = conv2d(x, conv1.weight, conv1.bias) {stride: 1, pad: 1, groups: 1, activation: relu} of conv2d + relu
relu: float32[2, 32, 8, 8] = conv2d(relu1, conv2.weight, conv2.bias) {stride: 1, pad: 1, groups: 1, sum: x, activation: relu} of conv2d + add + relu`,
  );
  assert.deepEqual(
    fuse(graph, { layout: "blocks", block: undefined }).nodes.map(({ kind, sum }) => (sum ? "a sum" : kind)),
    ["conv2d", "conv2d", "add"],
  );
});

/** A graph of these operations, in short: each node's kind and operations. */
function shortOf(build: (builder: GraphBuilder) => void): string[] {
  const builder = new GraphBuilder("small");
  build(builder);
  return fuse(builder.build(), inBlocks).nodes.map(({ kind, ops, activation }) => {
    const holds = ops.map(({ op }) => op).join("+");
    return [kind, ...(activation ? [activation] : []), ...(holds === kind ? [] : [`of ${holds}`])].join(" ");
  });
}

const picture = [2, 16, 4, 4];
const point = { stride: 1, pad: 0, groups: 1 };

test("of two convolutions that are added up the later one adds", () => {
  const lines = shortOf((builder) => {
    const x = builder.input("x", picture);
    const w = builder.parameter("w", [16, 16, 1, 1], "weight");
    const a = builder.apply("conv2d", "a", [x, w], point);
    const b = builder.apply("conv2d", "b", [x, w], point);
    builder.output("y", builder.apply("add", "sum", [a, b], {}));
  });
  assert.deepEqual(lines, ["conv2d", "conv2d of conv2d+add"]);
});

test("what something else reads too is not taken into a node", () => {
  const lines = shortOf((builder) => {
    const x = builder.input("x", picture);
    const w = builder.parameter("w", [16, 16, 1, 1], "weight");
    const a = builder.apply("conv2d", "a", [x, w], point);
    builder.output("result", a);
    const b = builder.apply("conv2d", "b", [builder.apply("relu", "r", [a], {}), w], point);
    builder.output("twice", builder.apply("add", "sum", [b, b], {}));
  });
  assert.deepEqual(lines, ["conv2d", "relu", "conv2d", "add"]);
});

test("a bias's gradient comes with that of the weights, of several with the first, and alone if it is wanted before", () => {
  const lines = shortOf((builder) => {
    const x = builder.input("x", picture);
    const dy = builder.input("dy", picture);
    const attrs = { ...point, weightShape: [16, 16, 1, 1] };
    builder.output("before", builder.apply("channelSum", "before", [dy], {}));
    builder.output("dw", builder.apply("conv2dBackwardWeight", "dw", [x, dy], attrs));
    builder.output("dv", builder.apply("conv2dBackwardWeight", "dv", [x, dy], attrs));
    builder.output("db", builder.apply("channelSum", "db", [dy], {}));
  });
  assert.deepEqual(lines, [
    "channelSum",
    "conv2dBackwardWeight of conv2dBackwardWeight+channelSum",
    "conv2dBackwardWeight",
  ]);
});

test("a gradient through a batch norm goes through its ReLU too, unless something else wants it between", () => {
  const chain = (other: boolean) =>
    shortOf((builder) => {
      const x = builder.input("x", picture);
      const dy = builder.input("dy", picture);
      const gamma = builder.parameter("gamma", [16], "gamma");
      const beta = builder.parameter("beta", [16], "beta");
      const [y, mean, variance] = builder.apply("batchNormTraining", "norm", [x, gamma, beta], { eps: 1e-5 });
      const relu = builder.apply("relu", "relu", [y], {});
      const between = builder.apply("reluBackward", "back", [relu, dy], {});
      const inputs = [x, gamma, mean, variance, between];
      const [dx] = builder.apply("batchNormBackward", "normBack", inputs, { eps: 1e-5 });
      builder.output("relu", relu);
      builder.output("dx", dx);
      if (other) builder.output("between", between);
    });
  const forward = "batchNormTraining relu of batchNormTraining+relu";
  assert.deepEqual(chain(false), [forward, "batchNormBackward relu of reluBackward+batchNormBackward"]);
  assert.deepEqual(chain(true), [forward, "reluBackward", "batchNormBackward"]);
});

test("the squeeze's gradient is shared out only where nothing else reads it", () => {
  const sum = (other: boolean, turned = false) =>
    shortOf((builder) => {
      const [branch, dy] = [builder.input("branch", picture), builder.input("dy", picture)];
      const [gate, dmean] = [builder.input("gate", [2, 16, 1, 1]), builder.input("dmean", [2, 16, 1, 1])];
      const mean = () => builder.apply("globalAvgPoolBackward", "mean", [dmean], { inputShape: picture });
      const early = turned ? mean() : undefined;
      const [dgate, dbranch] = builder.apply("seScaleBackward", "scale", [gate, branch, dy], {});
      const dx = early ?? mean();
      builder.output("sum", builder.apply("add", "sum", turned ? [dx, dbranch] : [dbranch, dx], {}));
      builder.output("dgate", dgate);
      if (other) builder.output("dx", dx);
    });
  const gate = "gateGradient of seScaleBackward";
  assert.deepEqual(sum(false), [gate, "share of globalAvgPoolBackward", "scale of seScaleBackward+add"]);
  assert.deepEqual(sum(false, true), ["share of globalAvgPoolBackward", gate, "scale of seScaleBackward+add"]);
  assert.deepEqual(sum(true), [gate, "scale of seScaleBackward", "globalAvgPoolBackward", "add"]);
});

test("a max pooling keeps a workspace for the gradient that refers to it, and for no other", () => {
  const builder = new GraphBuilder("pools");
  const x = builder.input("x", picture);
  const attrs = { kernel: 2, stride: 2, pad: 0, ceil: false };
  const other = { ...attrs, kernel: 1 };
  const y = builder.apply("maxPool", "pool", [x], attrs);
  builder.output("dx", builder.apply("maxPoolBackward", "back", [x, y], attrs));
  builder.output("alone", builder.apply("maxPoolBackward", "alone", [x, y], other));
  builder.output("late", builder.apply("maxPool", "late", [x], other));
  const [pool, back, alone, late] = fuse(builder.build(), inBlocks).nodes;
  assert.equal(back!.forward, pool);
  assert.deepEqual([alone!.forward, late!.forward], [undefined, undefined]);
  assert.deepEqual(pool!.attrs, { ...attrs, workspace: true });
  assert.deepEqual(late!.attrs, { ...other, workspace: false });
});

test("in every network each operation is held, once but for gates' gradients, and inputs come before", () => {
  for (const name of ["resnet-18", "se-resnet-20", "se-resnet-50", "se-resnext-50", "se-bn-inception", "senet-154"]) {
    const forward = lossGraph(model(name, 10), { batch: 2, imageSize: 64 });
    const gradients = differentiate(forward);
    for (const graph of [forward, gradients, recompute(gradients, forward)]) {
      const { nodes } = fuse(graph, inBlocks);
      const held = nodes.flatMap(({ ops }) => ops);
      const timesOf = (node: AnyNode) => held.filter((op) => op === node).length;
      const ready = new Set<Value>([...graph.inputs, ...graph.parameters]);
      for (const { name, inputs, sum, outputs, forward } of nodes) {
        for (const value of [...inputs, ...(sum ? [sum] : []), ...(forward?.outputs ?? [])]) {
          assert.ok(ready.has(value), `${name} reads ${value.name} before it is there`);
        }
        for (const value of outputs) ready.add(value);
      }
      for (const op of graph.nodes) {
        assert.equal(timesOf(op), op.op === "seScaleBackward" ? 2 : 1, `${graph.name}: ${op.name}`);
      }
      for (const value of [...graph.outputs.values(), ...graph.updates.values()]) assert.ok(ready.has(value));
    }
  }
});
