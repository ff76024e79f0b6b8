import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { assertClose } from "../../tests/support.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { Graph } from "../ir/graph.ts";
import { printGraph } from "../ir/print.ts";
import { basicBlock } from "../nn/blocks.ts";
import { Scope } from "../nn/scope.ts";
import { copyOf, tensor, zeros } from "../tensor.ts";
import { inferenceGraph, model } from "../zoo/index.ts";
import { equalizeChannels } from "./equalize.ts";
import { inferencePasses, type Program, runPasses } from "./index.ts";
import { eightBitValues, quantizableLayers, quantizedGraph } from "./quantize.ts";
import { quantizedRows, quantizeProgram } from "./quantize-weights.ts";

const folded = (graph: Graph): Program => runPasses({ graph, weights: formulaWeights(graph) }, inferencePasses);

/** If only names and shapes matter: drawing the weights of a large network takes seconds. */
function shapesOf(name: string): Graph {
  const graph = inferenceGraph(model(name), { batch: 1, imageSize: 64 });
  const weights = new Map(graph.parameters.map(({ name, type }) => [name, zeros(type.dtype, type.shape)]));
  return runPasses({ graph, weights }, inferencePasses).graph;
}

const network = folded(inferenceGraph(model("se-resnet-20", 5), { batch: 2, imageSize: 16 }));
const layers = quantizableLayers(network.graph);

const outputsOf = async ({ graph, weights }: Program) => {
  const executable = await referenceExecutor.compile(graph, weights);
  return (await executable.run(new Map([["image", formulaPictures(2, 16, 1)]]))).get("logits")!.data;
};

test("every convolution and the classifier can be in eight bits, but not the gates", () => {
  const names = layers.map(({ name }) => name);
  assert.equal(names.length, 20 + 2, "twenty layers and two projections");
  assert.deepEqual(
    names.filter((name) => name.includes(".se.")),
    [],
  );
});

test("what stands between two layers in eight bits is written between dequantize and quantize", () => {
  const builder = new GraphBuilder("block");
  const x = builder.input("x", [1, 16, 4, 4]);
  const scope = new Scope(builder, { training: false, dtype: "float32" });
  const y = basicBlock(scope, x, { out: 16, stride: 1, se: { reduction: 16, bias: true } });
  builder.output("y", basicBlock(scope.at("next"), y, { out: 16, stride: 1, se: undefined }));
  const { graph } = folded(builder.build());
  const chosen = quantizableLayers(graph).filter(({ name }) => name !== "next.conv2");
  const scales = Object.fromEntries(eightBitValues(graph, chosen).map(({ value }, i) => [value.name, (i + 1) / 8]));
  const lines = printGraph(quantizedGraph(graph, { layers: chosen.map(({ name }) => name), scales })).split("\n");
  const between = lines.filter((line) =>
    / = (quantize|dequantize|dequantizeWeight|seScaleAdd|globalAvgPool)\(/.test(line),
  );
  assert.deepEqual(
    between.map((line) => line.trim().replace(/: (\w+)\[[\d, ]*\]/, ": $1")),
    [
      "x.quantize: int8 = quantize(x) {scale: 0.125, signed: true}",
      "x.dequantize: float32 = dequantize(x.quantize) {scale: 0.125}",
      "conv1.weight.dequantize: float32 = dequantizeWeight(conv1.weight, conv1.weight_scale)",
      "relu1.quantize: uint8 = quantize(relu1) {scale: 0.25, signed: false}",
      "relu1.dequantize: float32 = dequantize(relu1.quantize) {scale: 0.25}",
      "conv2.weight.dequantize: float32 = dequantizeWeight(conv2.weight, conv2.weight_scale)",
      "bn2.quantize: int8 = quantize(bn2) {scale: 0.375, signed: true}",
      "bn2.dequantize: float32 = dequantize(bn2.quantize) {scale: 0.375}",
      "se.squeeze: float32 = globalAvgPool(bn2.dequantize) #se.squeeze",
      "axpy: float32 = seScaleAdd(se.gate, bn2.dequantize, x.dequantize)",
      "relu.quantize: uint8 = quantize(relu) {scale: 0.5, signed: false}",
      "relu.dequantize: float32 = dequantize(relu.quantize) {scale: 0.5}",
      "next.conv1.weight.dequantize: float32 = dequantizeWeight(next.conv1.weight, next.conv1.weight_scale)",
    ],
  );
});

test("a pooled value has the scale of the numbers that it is picked from", () => {
  const graph = shapesOf("se-resnet-50");
  const pooled = eightBitValues(graph, quantizableLayers(graph)).filter(({ sameAs }) => sameAs !== undefined);
  assert.deepEqual(
    pooled.map(({ value, signed, sameAs }) => [value.name, signed, sameAs!.name]),
    [["maxpool", false, "relu1"]],
  );
});

test("what a gate makes of numbers without a sign has none: a sign would take half of its steps", () => {
  const signedOf = (name: string) => {
    const graph = shapesOf(name);
    const found = eightBitValues(graph, quantizableLayers(graph));
    return found.filter(({ signed }) => signed).map(({ value }) => value.name);
  };
  assert.deepEqual(signedOf("se-bn-inception"), ["image"], "every convolution has a ReLU behind it");
  assert.ok(signedOf("se-resnet-50").includes("layer1.0.bn3"), "but not those of a ResNet before the sum");
});

test("whether there is a sign is found in one pass, however often a value is read", () => {
  const builder = new GraphBuilder("doubled");
  let x = builder.apply("relu", "relu", [builder.input("x", [1, 1, 2, 2])], {});
  // Each is two of the one before: by every path there would be 2^60 of them.
  for (let i = 0; i < 60; i++) {
    const both = builder.apply("concat", `both${i}`, [x, x], {});
    x = builder.apply("channelSlice", `one${i}`, [both], { start: 0, length: 1 });
  }
  const w = builder.parameter("w", [1, 1, 1, 1], "weight");
  builder.output("y", builder.apply("conv2d", "conv", [x, w], { stride: 1, pad: 0, groups: 1 }));
  const graph = builder.build();
  assert.deepEqual(
    eightBitValues(graph, quantizableLayers(graph)).map(({ value, signed }) => [value.name, signed]),
    [["one59", false]],
  );
});

test("rows of weights are within half a step of what they were, and zeros stay", () => {
  const { quantized, scale } = quantizedRows(tensor([3, 2], Float32Array.of(1, -0.3, 0, 0, 4e-3, 8e-3)));
  assert.equal(quantized.dtype, "int8");
  assert.deepEqual([...quantized.data], [127, -38, 0, 0, 64, 127]);
  assertClose(scale.data, [1 / 127, 1e-3 / 127, 8e-3 / 127], 1e-6, "scales");
});

test("rows out of use have steps that engines can count a bias in", () => {
  for (const value of [1e-9, 1e-30, 1e-42]) {
    const { quantized, scale } = quantizedRows(tensor([2, 2], Float32Array.of(1, -1, value, -value)));
    assert.deepEqual([...quantized.data], [127, -127, 0, 0]);
    assertClose(scale.data, [1 / 127, 1e-3 / 127], 1e-6, "scales");
  }
  const { quantized, scale } = quantizedRows(tensor([1, 2], Float32Array.of(0, 1e-42)));
  assert.deepEqual([...quantized.data, ...scale.data], [0, 0, Math.fround(1e-3 / 127)]);
});

test("a network whose activations have fine steps gives what it gave in float32", async () => {
  const values = eightBitValues(network.graph, layers);
  const scales = Object.fromEntries(values.map(({ value }) => [value.name, 1 / 60]));
  const quantized = quantizeProgram(network, { layers: layers.map(({ name }) => name), scales });
  assert.deepEqual(
    [...quantized.weights.keys()].sort(),
    quantized.graph.parameters.map(({ name }) => name).sort(),
    "nothing else is there",
  );
  const [expected, found] = [await outputsOf(network), await outputsOf(quantized)];
  const largest = Math.max(...expected.map(Math.abs));
  assertClose(found, expected, 0.06, `of ${largest}`);
  assert.notDeepEqual([...found], [...expected], "but not to the last bit");
});

test("a scale that is missing, and a layer that cannot be in eight bits, are named", () => {
  assert.throws(() => quantizedGraph(network.graph, { layers: ["fc"], scales: {} }), /"flatten" has no scale/);
  const gate = { layers: ["layer1.0.se.fc1"], scales: {} };
  assert.throws(() => quantizedGraph(network.graph, gate), /"layer1\.0\.se\.fc1" cannot be in eight bits/);
});

test("equalised channels are of one size in both layers, and the network gives what it gave", async () => {
  const equal = equalizeChannels(network);
  const [expected, found] = [await outputsOf(network), await outputsOf(equal)];
  assertClose(found, expected, 1e-5, "logits");
  const first = equal.weights.get("layer1.0.conv1.weight")!;
  const second = equal.weights.get("layer1.0.conv2.weight")!;
  const largest = (values: Iterable<number>) => Math.max(...[...values].map(Math.abs));
  for (let channel = 0; channel < 16; channel++) {
    const given = largest(first.data.subarray(channel * 144, (channel + 1) * 144));
    const taken = largest(second.data.filter((_, i) => Math.floor(i / 9) % 16 === channel));
    assertClose([given], [taken], 1e-5, `channel ${channel}`);
  }
  assert.notDeepEqual(first.data, network.weights.get("layer1.0.conv1.weight")!.data);
});

test("a channel that weight decay has taken out of use does not spoil the others", async () => {
  const weights = new Map(network.weights);
  const dead = copyOf(weights.get("layer1.0.conv1.weight")!);
  dead.data.fill(1e-9, 0, 144);
  const bias = copyOf(weights.get("layer1.0.conv1.bias")!);
  bias.data[0] = 1;
  weights.set("layer1.0.conv1.weight", dead).set("layer1.0.conv1.bias", bias);
  const equal = equalizeChannels({ graph: network.graph, weights });
  const biasOf = (name: string) => equal.weights.get(`layer1.0.conv1.${name}`)!.data[0]!;
  assert.equal(biasOf("bias"), 1);
  assert.equal(biasOf("weight"), Math.fround(1e-9));
});
