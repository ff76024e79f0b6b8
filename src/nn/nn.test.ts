import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/support.ts";
import { differentiate, gradientOf } from "../autodiff/differentiate.ts";
import { SenetError } from "../errors.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { GraphBuilder } from "../ir/builder.ts";
import { type Graph, isTrainable, type Value } from "../ir/graph.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { initialWeights } from "../weights/init.ts";
import { basicBlock, bottleneck } from "./blocks.ts";
import { batchNorm, conv2d, linear } from "./layers.ts";
import { Scope } from "./scope.ts";
import { addShortcut, gate } from "./se.ts";

/** The graph that `make` builds at `layer1.0` from an input `x`. */
function build(shape: readonly number[], training: boolean, make: (scope: Scope, x: Value) => Value): Graph {
  const builder = new GraphBuilder("test");
  const scope = new Scope(builder, { training, dtype: "float32" }, "layer1.0");
  builder.output("y", make(scope, builder.input("x", shape)));
  return builder.build();
}

const shapeOf = (graph: Graph, parameter: string) =>
  graph.parameters.find(({ name }) => name === parameter)?.type.shape;
const names = (graph: Graph) => graph.nodes.map(({ name, op }) => `${name} ${op}`);
const floats = (shape: readonly number[], ...values: number[]): Tensor => tensor(shape, Float32Array.from(values));

test("the gate squeezes each channel to one number and has one value for each", () => {
  const graph = build([2, 64, 7, 5], false, (scope, x) => gate(scope.at("se"), x, { reduction: 16, bias: true }));
  assert.deepEqual(names(graph), [
    "layer1.0.se.squeeze globalAvgPool",
    "layer1.0.se.fc1 conv2d",
    "layer1.0.se.relu relu",
    "layer1.0.se.fc2 conv2d",
    "layer1.0.se.gate sigmoid",
  ]);
  assert.deepEqual(graph.outputs.get("y")!.type.shape, [2, 64, 1, 1]);
  assert.deepEqual(shapeOf(graph, "layer1.0.se.fc1.weight"), [4, 64, 1, 1]);
  assert.deepEqual(shapeOf(graph, "layer1.0.se.fc1.bias"), [4]);
  assert.deepEqual(shapeOf(graph, "layer1.0.se.fc2.weight"), [64, 4, 1, 1]);
  assert.deepEqual(shapeOf(graph, "layer1.0.se.fc2.bias"), [64]);
});

test("the reduction divides the channels, rounds down, and leaves at least one", () => {
  const hidden = (channels: number, reduction: number) =>
    shapeOf(
      build([1, channels, 2, 2], false, (scope, x) => gate(scope.at("se"), x, { reduction, bias: false })),
      "layer1.0.se.fc1.weight",
    )![0];
  assert.equal(hidden(64, 16), 4);
  assert.equal(hidden(64, 2), 32);
  assert.equal(hidden(40, 16), 2);
  assert.equal(hidden(8, 16), 1);
});

test("without biases the gate has two parameters", () => {
  const graph = build([1, 32, 2, 2], false, (scope, x) => gate(scope.at("se"), x, { reduction: 16, bias: false }));
  assert.deepEqual(
    graph.parameters.map(({ name }) => name),
    ["layer1.0.se.fc1.weight", "layer1.0.se.fc2.weight"],
  );
});

test("the gate computes sigmoid(W2 relu(W1 z + b1) + b2), and scales before the sum", async () => {
  const graph = build([1, 2, 1, 2], false, (scope, x) => addShortcut(scope, x, x, { reduction: 2, bias: true }));
  const weights = new Map([
    ["layer1.0.se.fc1.weight", floats([1, 2, 1, 1], 1, -1)],
    ["layer1.0.se.fc1.bias", floats([1], 0.5)],
    ["layer1.0.se.fc2.weight", floats([2, 1, 1, 1], 2, -3)],
    ["layer1.0.se.fc2.bias", floats([2], 0.25, 1)],
  ]);
  const executable = await referenceExecutor.compile(graph, weights);
  const outputs = await executable.run(new Map([["x", floats([1, 2, 1, 2], 3, 5, 1, 2)]]));
  // z = (4, 1.5); W1 z + b1 = 3; W2 · 3 + b2 = (6.25, -8).
  const sigmoid = (t: number) => 1 / (1 + Math.exp(-t));
  const [g0, g1] = [sigmoid(6.25), sigmoid(-8)];
  const expected = [3 * g0 + 3, 5 * g0 + 5, g1 + 1, 2 * g1 + 2];
  assertClose(outputs.get("y")!.data, expected, 1e-6, "gate · branch + shortcut");
});

test("without squeeze and excitation the shortcut is added as it is", () => {
  const graph = build([1, 4, 2, 2], false, (scope, x) => addShortcut(scope, x, x, undefined));
  assert.deepEqual(names(graph), ["layer1.0.sum add"]);
  assert.equal(graph.parameters.length, 0);
});

test("a basic block has its stride on the first convolution, and projects only where the shape changes", () => {
  const block = (out: number, stride: number) =>
    build([2, 16, 9, 9], false, (scope, x) => basicBlock(scope, x, { out, stride, se: { reduction: 16, bias: true } }));
  const same = block(16, 1);
  assert.equal(shapeOf(same, "layer1.0.downsample.0.weight"), undefined);
  const axpy = same.nodes.find(({ op }) => op === "seScaleAdd")!;
  assert.equal(axpy.inputs[2], same.inputs[0], "the shortcut is the input itself");

  const narrower = block(32, 2);
  assert.deepEqual(shapeOf(narrower, "layer1.0.downsample.0.weight"), [32, 16, 1, 1]);
  assert.deepEqual(narrower.outputs.get("y")!.type.shape, [2, 32, 5, 5]);
  const strides = narrower.nodes.flatMap((node) =>
    node.op === "conv2d" && !node.name.includes(".se.") ? [[node.name, node.attrs.stride]] : [],
  );
  assert.deepEqual(strides, [
    ["layer1.0.conv1", 2],
    ["layer1.0.conv2", 1],
    ["layer1.0.downsample.0", 2],
  ]);
  assert.ok(shapeOf(block(16, 2), "layer1.0.downsample.0.weight"), "a stride alone needs a projection too");
});

test("the squeeze sees the branch after its last batch norm, and ReLU follows the sum", () => {
  const graph = build([1, 8, 4, 4], false, (scope, x) =>
    bottleneck(scope, x, { out: 8, width: 2, stride: 1, strideOn: "1x1", se: { reduction: 4, bias: true } }),
  );
  const node = (name: string) => graph.nodes.find((candidate) => candidate.name === name)!;
  assert.equal(node("layer1.0.se.squeeze").inputs[0]!.name, "layer1.0.bn3");
  assert.deepEqual(
    node("layer1.0.axpy").inputs.map(({ name }) => name),
    ["layer1.0.se.gate", "layer1.0.bn3", "x"],
  );
  assert.equal(node("layer1.0.relu").inputs[0]!.name, "layer1.0.axpy");
  assert.equal(graph.outputs.get("y")!.name, "layer1.0.relu");
});

test("a bottleneck's stride is on its first 1x1 or on its 3x3", () => {
  const strides = (strideOn: "1x1" | "3x3") =>
    build([1, 8, 6, 6], false, (scope, x) =>
      bottleneck(scope, x, { out: 16, width: 4, stride: 2, strideOn, se: undefined }),
    ).nodes.flatMap((node) => (node.op === "conv2d" ? [node.attrs.stride] : []));
  assert.deepEqual(strides("1x1"), [2, 1, 1, 2]);
  assert.deepEqual(strides("3x3"), [1, 2, 1, 2]);
});

test("batch norm uses running statistics, or when training the batch's and updates the running ones", () => {
  const inference = build([4, 3, 2, 2], false, batchNorm);
  assert.deepEqual(names(inference), ["layer1.0 batchNorm"]);
  assert.equal(inference.updates.size, 0);
  assert.deepEqual(
    inference.parameters.map(({ name, role }) => [name, role]),
    [
      ["layer1.0.weight", "gamma"],
      ["layer1.0.bias", "beta"],
      ["layer1.0.running_mean", "mean"],
      ["layer1.0.running_var", "variance"],
    ],
  );
  const training = build([4, 3, 2, 2], true, batchNorm);
  assert.deepEqual(
    [...training.updates].map(([parameter, value]) => [parameter.name, value.name]),
    [
      ["layer1.0.running_mean", "layer1.0.running_mean.next"],
      ["layer1.0.running_var", "layer1.0.running_var.next"],
    ],
  );
  const scales = training.nodes.flatMap((node) => (node.op === "runningAverage" ? [node.attrs] : []));
  // 4 · 2 · 2 positions: the variance of the population is 16/15 of the batch's.
  assert.deepEqual(scales, [
    { decay: 0.9, scale: 1 },
    { decay: 0.9, scale: 16 / 15 },
  ]);
});

test("a single value per channel cannot be normalised in training, as in PyTorch; what to try is said", () => {
  assert.throws(() => build([1, 3, 1, 1], true, batchNorm), /`batchSize`.*`imageSize`/);
  assert.doesNotThrow(() => build([1, 3, 1, 1], false, batchNorm));
  assert.doesNotThrow(() => build([2, 3, 1, 1], true, batchNorm));
  assert.doesNotThrow(() => build([1, 3, 1, 2], true, batchNorm));
});

test("layers keep the size by default, and know groups and biases", () => {
  const grouped = build([1, 6, 5, 5], false, (scope, x) =>
    conv2d(scope, x, { out: 4, kernel: 3, groups: 2, bias: true }),
  );
  assert.deepEqual(grouped.outputs.get("y")!.type.shape, [1, 4, 5, 5]);
  assert.deepEqual(shapeOf(grouped, "layer1.0.weight"), [4, 3, 3, 3]);
  assert.deepEqual(shapeOf(grouped, "layer1.0.bias"), [4]);
  const classifier = build([2, 6], false, (scope, x) => linear(scope, x, 3));
  assert.deepEqual(classifier.outputs.get("y")!.type.shape, [2, 3]);
  assert.deepEqual(shapeOf(classifier, "layer1.0.weight"), [3, 6]);
});

test("a padded shortcut is every stride-th position in the middle channels, and has no parameters", async () => {
  const options = { out: 6, stride: 2, se: undefined, projection: "pad" } as const;
  const graph = build([1, 3, 3, 4], false, (scope, x) => basicBlock(scope, x, options));
  assert.ok(!graph.parameters.some(({ name }) => name.includes("downsample") || name.includes("shortcut")));
  // The branch is 0.5 everywhere: the second batch norm's beta.
  const weights = new Map(
    graph.parameters.map(({ name, type, role }) => {
      const value = name === "layer1.0.bn2.bias" ? 0.5 : role === "variance" ? 1 : 0;
      return [name, tensor(type.shape, new Float32Array(type.shape.reduce((a, b) => a * b)).fill(value))];
    }),
  );
  const executable = await referenceExecutor.compile(graph, weights);
  const x = tensor(
    [1, 3, 3, 4],
    Float32Array.from({ length: 36 }, (_, i) => i),
  );
  const y = (await executable.run(new Map([["x", x]]))).get("y")!;
  assert.deepEqual(y.shape, [1, 6, 2, 2]);
  const shortcut = [0, 1, 2].flatMap((c) => [0, 2, 8, 10].map((at) => 12 * c + at));
  const expected = [0, 0, 0, 0, ...shortcut, 0, 0, 0, 0, 0, 0, 0, 0].map((value) => value + 0.5);
  assert.deepEqual([...y.data], expected);
  await executable.dispose();
});

test("a shortcut that is padded with zeros cannot lose channels", () => {
  for (const projection of ["pad", "padEnd", "averagePad"] as const) {
    const options = { out: 2, stride: 2, se: undefined, projection };
    assert.throws(
      () => build([1, 3, 4, 4], false, (scope, x) => basicBlock(scope, x, options)),
      (error) =>
        error instanceof SenetError &&
        error.code === "shape" &&
        /layer1.*cannot lose channels[\s\S]*at most 2/.test(error.message),
    );
  }
});

test("a slice of channels hands its gradient back to where it was cut from", async () => {
  const builder = new GraphBuilder("test");
  const scope = new Scope(builder, { training: false, dtype: "float64" });
  const image = builder.input("x", [2, 1, 3, 3], "float64");
  const stem = conv2d(scope.at("stem"), image, { out: 2, kernel: 3, bias: true });
  const [first, middle, last] = [
    scope
      .at("first")
      .apply("channelSlice", [conv2d(scope.at("conv"), stem, { out: 4, kernel: 1 })], { start: 0, length: 1 }),
    scope.at("middle").apply("channelSlice", [stem], { start: 1, length: 1 }),
    scope.at("last").apply("channelSlice", [stem], { start: 0, length: 1 }),
  ];
  const joined = scope.at("join").apply("concat", [first, middle, last], {});
  const features = scope.at("flatten").apply("flatten", [scope.at("pool").apply("globalAvgPool", [joined], {})], {});
  const targets = builder.input("targets", features.type.shape, "float64");
  builder.output("loss", builder.apply("softmaxCrossEntropy", "loss", [features, targets], {}));
  const graph = differentiate(builder.build());

  const random = (length: number, seed: number) => Float64Array.from({ length }, (_, i) => Math.sin(7 * i + seed));
  const inputs = new Map<string, Tensor>([
    ["x", tensor([2, 1, 3, 3], random(18, 1))],
    ["targets", tensor([2, 3], Float64Array.of(0, 0, 1, 1, 0, 0))],
  ]);
  const weights = new Map(
    graph.parameters.map(({ name, type }, i) => [name, tensor(type.shape, random(sizeOf(type.shape), i + 2))]),
  );
  const run = async () => {
    const executable = await referenceExecutor.compile(graph, weights);
    const outputs = await executable.run(inputs);
    await executable.dispose();
    return outputs;
  };
  const outputs = await run();
  for (const { name } of graph.parameters) {
    const { data } = weights.get(name)!;
    const differences: number[] = [];
    for (let i = 0; i < data.length; i++) {
      const value = data[i]!;
      const losses: number[] = [];
      for (const step of [1e-4, -1e-4]) {
        data[i] = value + step;
        losses.push((await run()).get("loss")!.data[0]!);
      }
      data[i] = value;
      differences.push((losses[0]! - losses[1]!) / 2e-4);
    }
    assertClose(outputs.get(gradientOf(name))!.data, differences, 1e-6, name);
  }
});

test("kernels, strides and paddings differ by axis and by side; SAME goes by the size", () => {
  const attrs = (shape: readonly number[], options: Parameters<typeof conv2d>[2]) => {
    const graph = build([...shape], false, (scope, x) => conv2d(scope, x, options));
    return [shapeOf(graph, "layer1.0.weight"), graph.nodes[0]!.attrs, graph.outputs.get("y")!.type.shape];
  };
  const flat = { top: 0, left: 3, bottom: 0, right: 3 };
  assert.deepEqual(attrs([1, 2, 5, 6], { out: 4, kernel: [1, 7] }), [
    [4, 2, 1, 7],
    { stride: 1, pad: flat, groups: 1 },
    [1, 4, 5, 6],
  ]);
  const behind = { top: 0, left: 0, bottom: 1, right: 1 };
  assert.deepEqual(attrs([1, 2, 8, 8], { out: 4, kernel: 3, stride: 2, pad: "same" }), [
    [4, 2, 3, 3],
    { stride: 2, pad: behind, groups: 1 },
    [1, 4, 4, 4],
  ]);
  assert.deepEqual(attrs([1, 2, 9, 9], { out: 4, kernel: 3, stride: 2, pad: "same" })[1], {
    stride: 2,
    pad: 1,
    groups: 1,
  });
});

test("batch norm of a network's style: its eps and decay; a fixed gamma gets no gradient", () => {
  const graph = build([4, 3, 2, 2], true, (scope, x) =>
    batchNorm(scope.styled({ norm: { eps: 1e-3, decay: 0.95 } }), x, { fixedGamma: true }),
  );
  assert.deepEqual(
    graph.nodes.map(({ attrs }) => attrs),
    [{ eps: 1e-3 }, { decay: 0.95, scale: 1 }, { decay: 0.95, scale: 16 / 15 }],
  );
  assert.deepEqual(
    graph.parameters.filter(isTrainable).map(({ name }) => name),
    ["layer1.0.bias"],
  );
  assert.deepEqual([...initialWeights(graph, 1).get("layer1.0.weight")!.data], [1, 1, 1]);
});
