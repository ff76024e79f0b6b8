import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance } from "../../../tests/conformance.ts";
import { formulaWeights } from "../../../tests/formula.ts";
import { assertClose } from "../../../tests/support.ts";
import { SenetError } from "../../errors.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import type { Graph, Value } from "../../ir/graph.ts";
import { inferencePasses, runPasses } from "../../passes/index.ts";
import { type DType, type Shape, sizeOf, type Tensor, tensor } from "../../tensor.ts";
import { inferenceGraph, model } from "../../zoo/index.ts";
import type { Executor } from "../executor.ts";
import { referenceExecutor } from "../reference/reference.ts";
import { ortExecutor } from "./executor.node.ts";
import { lower } from "./lower.ts";
import { otherRules } from "./lower-others.ts";
import { failureOf } from "./runtime.ts";

conformance({ name: "ort", executor: ortExecutor, tolerance: 1e-5, dtypes: ["float32"], part: "quick" });

const wave = (shape: Shape): Tensor =>
  tensor(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i * 12.9)),
  );

/** A batch norm over a convolution of so many channels, and its gradient: plain or, from 16 on, blocked. */
function normGraph(channels: number, dtype: DType = "float32"): Graph {
  const builder = new GraphBuilder("norm");
  const x = builder.input("x", [2, channels, 3, 4], dtype);
  const w = builder.parameter("w", [channels, channels, 1, 1], "weight", dtype);
  const gamma = builder.parameter("gamma", [channels], "gamma", dtype);
  const beta = builder.parameter("beta", [channels], "beta", dtype);
  const y = builder.apply("conv2d", "y", [x, w], { stride: 1, pad: 0, groups: 1 });
  const [z, mean, variance] = builder.apply("batchNormTraining", "bn", [y, gamma, beta], { eps: 1e-5 });
  const gradients = builder.apply("batchNormBackward", "backward", [y, gamma, mean, variance, x], { eps: 1e-5 });
  for (const output of [z, ...gradients]) builder.output(output.name, output);
  return builder.build();
}

const weightsOf = (graph: Graph) => new Map(graph.parameters.map(({ name, type }) => [name, wave(type.shape)]));

for (const channels of [5, 32]) {
  test(`what is not a number does not outlive its run, with ${channels} channels`, async () => {
    const graph = normGraph(channels);
    const executable = await ortExecutor.compile(graph, weightsOf(graph), { weights: "live" });
    const run = async (x: Tensor) => {
      const found = await executable.run(new Map([["x", x]]));
      return [...found].map(([name, { data }]) => [name, Array.from(data)]);
    };
    const x = wave([2, channels, 3, 4]);
    const before = await run(x);
    const broken = tensor(
      x.shape,
      Float32Array.from(x.data, () => Number.NaN),
    );
    assert.ok((await run(broken)).flat(2).some(Number.isNaN));
    assert.deepEqual(await run(x), before);
    await executable.dispose();
  });
}

test("batch norms with equal constants keep their own statistics until the way back", async () => {
  const channels = 5;
  const builder = new GraphBuilder("norms");
  const x = builder.input("x", [2, channels, 3, 4]);
  const norm = (name: string, of: Value) => {
    const gamma = builder.parameter(`${name}.gamma`, [channels], "gamma");
    const beta = builder.parameter(`${name}.beta`, [channels], "beta");
    return [gamma, ...builder.apply("batchNormTraining", name, [of, gamma, beta], { eps: 1e-5 })] as const;
  };
  const [gamma, y, mean, variance] = norm("first", x);
  const [, z] = norm("second", builder.apply("relu", "relu", [y], {}));
  const inputs = [x, gamma, mean, variance, builder.apply("relu", "relu2", [z], {})];
  for (const output of builder.apply("batchNormBackward", "back", inputs, { eps: 1e-5 }))
    builder.output(output.name, output);
  const graph = builder.build();
  const fill = (value: number) => tensor([channels], new Float32Array(channels).fill(value));
  const weights = new Map(graph.parameters.map(({ name, role }) => [name, fill(role === "gamma" ? 1 : 0)]));
  const outputs = async (executor: Executor) => {
    await using executable = await executor.compile(graph, weights);
    return executable.run(new Map([["x", wave([2, channels, 3, 4])]]));
  };
  const expected = await outputs(referenceExecutor);
  for (const [name, { data }] of await outputs(ortExecutor)) assertClose(data, expected.get(name)!.data, 1e-4, name);
});

test("inputs may be in shared memory; live weights may not", async () => {
  const graph = normGraph(5);
  const weights = weightsOf(graph);
  const executable = await ortExecutor.compile(graph, weights, { weights: "live" });
  const x = wave([2, 5, 3, 4]);
  const shared = tensor(x.shape, new Float32Array(new SharedArrayBuffer(x.data.byteLength)));
  shared.data.set(x.data);
  const copy = (outputs: ReadonlyMap<string, Tensor>) => [...outputs.values()].map(({ data }) => Array.from(data));
  const expected = copy(await executable.run(new Map([["x", x]])));
  assert.deepEqual(copy(await executable.run(new Map([["x", shared]]))), expected);
  await executable.dispose();

  weights.set("w", tensor([5, 5, 1, 1], new Float32Array(new SharedArrayBuffer(100))));
  await assert.rejects(
    ortExecutor.compile(graph, weights, { weights: "live" }),
    (error) => error instanceof SenetError && error.code === "executor" && /^w: live weights/.test(error.message),
  );
});

test("float64 is refused, naming the value", async () => {
  const graph = normGraph(5, "float64");
  const weights = new Map(
    graph.parameters.map(({ name, type }) => [name, tensor(type.shape, new Float64Array(sizeOf(type.shape)))]),
  );
  await assert.rejects(
    ortExecutor.compile(graph, weights),
    (error) => error instanceof SenetError && error.code === "executor" && /^x: .*\n.*float32/.test(error.message),
  );
});

test("what is exported has what other programs look for: kernel shapes, and no step of two axes at once", () => {
  for (const name of ["se-resnet-20", "se-bn-inception"]) {
    const graph = inferenceGraph(model(name, 3), { batch: 1, imageSize: 64 });
    const program = runPasses({ graph, weights: formulaWeights(graph) }, inferencePasses);
    const { nodes } = lower(program.graph, {
      weights: program.weights,
      dynamicBatch: true,
      portable: true,
      rules: otherRules,
    }).model;
    for (const { op, domain, attributes } of nodes) {
      assert.equal(domain, "");
      if (op === "Conv") assert.ok("kernel_shape" in attributes, name);
      if (op === "AveragePool") assert.ok(!("count_include_pad" in attributes) && !("pads" in attributes), name);
      assert.notEqual(op, "Unsqueeze", name);
    }
    assert.ok(nodes.filter(({ op }) => op === "Conv").length > 20);
  }
});

test("too little memory is a typed error that names the operation and what to try, and the next run is fine", async () => {
  const builder = new GraphBuilder("greedy");
  const x = builder.input("x", [1, 1, 256, 256]);
  const channels = 2 ** 22;
  const w = builder.parameter("w", [channels, 1, 1, 1], "weight");
  const y = builder.apply("conv2d", "widest", [x, w], { stride: 1, pad: 0, groups: 1 });
  builder.output("y", builder.apply("globalAvgPool", "mean", [y], {}));
  const graph = builder.build();
  const executable = await ortExecutor.compile(graph, new Map([["w", wave([channels, 1, 1, 1])]]));
  const run = executable.run(new Map([["x", wave([1, 1, 256, 256])]]));
  await assert.rejects(run, (error) => {
    assert.ok(error instanceof SenetError && error.code === "executor");
    assert.match(error.message, /^greedy, widest.*: ONNX Runtime failed: there is not enough memory\n/);
    assert.match(error.message, /try: {6}a smaller `batchSize`/);
    assert.ok(error.message.length < 1000);
    return true;
  });
  await executable.dispose();
});

test("ONNX Runtime's errors are told in a line, with the operation", () => {
  const text =
    "Non-zero status code returned while running Conv node. Name:'layer1.0.conv1/Conv_0' Status Message: " +
    "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal" +
    "(size_t) Failed to allocate memory for requested buffer of size 123\n#0 at somewhere\n#1 at somewhere";
  const memory = failureOf("ONNX Runtime failed", "net", new Error(text));
  assert.match(memory.message, /^net, layer1\.0\.conv1\/Conv_0 \(Conv\): .*not enough memory/);
  assert.doesNotMatch(memory.message, /#0/);
  const other = failureOf("ONNX Runtime failed", "net", new Error("Something else\nwith a trace"));
  assert.match(other.message, /^net: ONNX Runtime failed\n {2}found: {4}Something else\n {2}try: /);
});
