import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { assertClose } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { Graph, Parameter, Value } from "../ir/graph.ts";
import { printGraph } from "../ir/print.ts";
import type { Shape, Tensor } from "../tensor.ts";
import { inferenceGraph, inputName, model } from "../zoo/index.ts";
import { foldBatchNorm } from "./fold-batch-norm.ts";
import { inferencePasses, type Program, runPasses } from "./index.ts";
import { removeDead } from "./remove-dead.ts";

const conv = { stride: 1, pad: 0, groups: 1 };
const eps = 1e-5;

class Sketch {
  readonly builder = new GraphBuilder("sketch");
  /** A convolution from `x`, with or without bias. */
  conv(name: string, x: Value, out: number, bias = false, groups = 1): Value {
    const weight = this.parameter(`${name}.weight`, [out, x.type.shape[1]! / groups, 1, 1], "weight");
    const inputs = bias ? [x, weight, this.parameter(`${name}.bias`, [out], "bias")] : [x, weight];
    return this.builder.apply("conv2d", name, inputs, { ...conv, groups });
  }
  norm(name: string, x: Value): Value {
    const shape = [x.type.shape[1]!];
    const gamma = this.parameter(`${name}.weight`, shape, "gamma");
    const beta = this.parameter(`${name}.bias`, shape, "beta");
    const mean = this.parameter(`${name}.running_mean`, shape, "mean");
    const variance = this.parameter(`${name}.running_var`, shape, "variance");
    return this.builder.apply("batchNorm", name, [x, gamma, beta, mean, variance], { eps });
  }
  parameter(name: string, shape: Shape, role: Parameter["role"]): Parameter {
    return this.builder.parameter(name, shape, role);
  }
  program(outputs: Readonly<Record<string, Value>>): Program {
    for (const [name, value] of Object.entries(outputs)) this.builder.output(name, value);
    const graph = this.builder.build();
    return { graph, weights: formulaWeights(graph) };
  }
}

async function outputsOf({ graph, weights }: Program, image: Tensor): Promise<ReadonlyMap<string, Tensor>> {
  const executable = await referenceExecutor.compile(graph, weights);
  return executable.run(new Map([[graph.inputs[0]!.name, image]]));
}

/** Asserts that a pass leaves every output as it was, to rounding. */
async function assertSame(before: Program, after: Program, image: Tensor): Promise<void> {
  const expected = await outputsOf(before, image);
  const found = await outputsOf(after, image);
  assert.deepEqual([...found.keys()], [...expected.keys()]);
  for (const [name, { data }] of expected) assertClose(found.get(name)!.data, data, 1e-5, name);
}

const operations = (graph: Graph) => graph.nodes.map(({ op }) => op);
const pictures = formulaPictures(2, 4, 0);

test("a batch norm vanishes into the convolution before it, which gets a bias", async () => {
  const sketch = new Sketch();
  const x = sketch.builder.input("x", [2, 3, 4, 4]);
  const before = sketch.program({ y: sketch.norm("bn1", sketch.conv("conv1", x, 2)) });
  const after = runPasses(before, [{ name: "fold", run: foldBatchNorm }]);
  assert.deepEqual(printGraph(after.graph).split("\n").slice(-3), [
    "  bn1: float32[2, 2, 4, 4] = conv2d(x, conv1.weight, conv1.bias) {stride: 1, pad: 0, groups: 1}",
    "  output y = bn1",
    "}",
  ]);
  await assertSame(before, after, pictures);
});

test("folding computes w · gamma / sqrt(variance + eps) and (b − mean) · gamma / sqrt(variance + eps) + beta", () => {
  const sketch = new Sketch();
  const x = sketch.builder.input("x", [1, 1, 1, 1]);
  const { graph } = sketch.program({ y: sketch.norm("bn1", sketch.conv("conv1", x, 1, true)) });
  const one = (value: number, shape: Shape = [1]): Tensor => ({
    dtype: "float32",
    shape,
    data: Float32Array.of(value),
  });
  const weights = new Map([
    ["conv1.weight", one(6, [1, 1, 1, 1])],
    ["conv1.bias", one(5)],
    ["bn1.weight", one(0.5)],
    ["bn1.bias", one(-1)],
    ["bn1.running_mean", one(2)],
    ["bn1.running_var", one(0.25)],
  ]);
  const folded = foldBatchNorm({ graph, weights }).weights;
  // gamma / sqrt(0.25 + 1e-5) is a hair below 1.
  const scale = 0.5 / Math.sqrt(0.25 + eps);
  assertClose(folded.get("conv1.weight")!.data, [6 * scale], 1e-7, "weight");
  assertClose(folded.get("conv1.bias")!.data, [(5 - 2) * scale - 1], 1e-7, "bias");
  assert.equal(weights.get("conv1.weight")!.data[0], 6, "the weights given are left as they were");
  assert.equal(weights.get("conv1.bias")!.data[0], 5);
});

test("folding knows biases and groups, and keeps the shortcut's batch norms apart", async () => {
  const sketch = new Sketch();
  const x = sketch.builder.input("x", [2, 3, 4, 4]);
  const branch = sketch.norm("bn1", sketch.conv("conv1", x, 6, true, 3));
  const shortcut = sketch.norm("downsample.1", sketch.conv("downsample.0", x, 6));
  const before = sketch.program({ y: sketch.builder.apply("add", "sum", [branch, shortcut], {}) });
  const after = runPasses(before, inferencePasses);
  assert.deepEqual(operations(after.graph), ["conv2d", "conv2d", "add"]);
  await assertSame(before, after, pictures);
});

test("a batch norm stays where something else reads its convolution or its weights", async () => {
  const twoReaders = new Sketch();
  const x = twoReaders.builder.input("x", [2, 3, 4, 4]);
  const y = twoReaders.conv("conv1", x, 3);
  const exposed = twoReaders.program({ normed: twoReaders.norm("bn1", y), raw: y });
  assert.ok(operations(runPasses(exposed, inferencePasses).graph).includes("batchNorm"));
  await assertSame(exposed, runPasses(exposed, inferencePasses), pictures);

  // Two convolutions with one weight: folding either would change the other.
  const tied = new Sketch();
  const x2 = tied.builder.input("x", [2, 3, 4, 4]);
  const weight = tied.parameter("shared", [3, 3, 1, 1], "weight");
  const first = tied.norm("bn1", tied.builder.apply("conv2d", "conv1", [x2, weight], conv));
  const second = tied.norm("bn2", tied.builder.apply("conv2d", "conv2", [first, weight], conv));
  const program = tied.program({ y: second });
  assert.equal(operations(runPasses(program, inferencePasses).graph).filter((op) => op === "batchNorm").length, 2);
  await assertSame(program, runPasses(program, inferencePasses), pictures);

  // No convolution before it at all.
  const bare = new Sketch();
  const alone = bare.program({ y: bare.norm("bn1", bare.builder.input("x", [2, 3, 4, 4])) });
  assert.deepEqual(operations(runPasses(alone, inferencePasses).graph), ["batchNorm"]);
});

test("a whole network answers the same after all inference passes, without one batch norm", async () => {
  const graph = inferenceGraph(model("se-resnet-20", 7), { batch: 2, imageSize: 16 });
  const before = { graph, weights: formulaWeights(graph) };
  const after = runPasses(before, inferencePasses);
  assert.ok(operations(before.graph).includes("batchNorm"));
  assert.ok(!operations(after.graph).includes("batchNorm"));
  assert.deepEqual(
    [...after.weights.keys()].filter((name) => name.includes("bn") || name.includes("running")),
    [],
    "weights that nothing reads are gone",
  );
  assert.deepEqual(
    [...after.weights.keys()],
    after.graph.parameters.map(({ name }) => name),
  );
  await assertSame(before, after, formulaPictures(2, 16, 1));
});

test("a weight that is missing is named", () => {
  const graph = inferenceGraph(model("se-resnet-20"), { batch: 1, imageSize: 32 });
  const weights = formulaWeights(graph);
  weights.delete("layer1.0.bn1.running_var");
  assert.throws(() => foldBatchNorm({ graph, weights }), /layer1\.0\.bn1: there is no "layer1\.0\.bn1\.running_var"/);
});

test("nodes and parameters that nothing depends on are removed, chains of them too", () => {
  const sketch = new Sketch();
  const x = sketch.builder.input("x", [2, 3, 4, 4]);
  const kept = sketch.conv("kept", x, 2);
  sketch.builder.apply("relu", "dead.relu", [sketch.conv("dead.conv", kept, 5)], {});
  const { graph, weights } = removeDead(sketch.program({ y: kept }));
  assert.deepEqual(
    graph.nodes.map(({ name }) => name),
    ["kept"],
  );
  assert.deepEqual([...weights.keys()], ["kept.weight"]);
  assert.deepEqual(
    graph.parameters.map(({ name }) => name),
    ["kept.weight"],
  );
  assert.deepEqual(
    graph.inputs.map(({ name }) => name),
    ["x"],
    "what is fed stays what it was",
  );
});

test("what an update needs is alive, and so is a node of which one output is", () => {
  const builder = new GraphBuilder("sketch");
  const x = builder.input("x", [2, 3, 4, 4]);
  const gamma = builder.parameter("gamma", [3], "gamma");
  const beta = builder.parameter("beta", [3], "beta");
  const running = builder.parameter("running", [3], "mean");
  const [, mean] = builder.apply("batchNormTraining", "norm", [x, gamma, beta], { eps });
  builder.update(running, builder.apply("runningAverage", "next", [running, mean], { decay: 0.9, scale: 1 }));
  builder.output("y", builder.apply("relu", "y", [x], {}));
  const program = { graph: builder.build(), weights: formulaWeights(builder.build()) };
  const pruned = removeDead(program);
  assert.deepEqual(
    pruned.graph.nodes.map(({ name }) => name),
    ["norm", "next", "y"],
  );
  const without = removeDead({ ...program, graph: { ...program.graph, updates: new Map() } });
  assert.deepEqual(
    without.graph.nodes.map(({ name }) => name),
    ["y"],
  );
  assert.equal(without.weights.size, 0);
});

test("a pass that breaks the graph is named", () => {
  const graph = inferenceGraph(model("se-resnet-20"), { batch: 1, imageSize: 32 });
  const program = { graph, weights: formulaWeights(graph) };
  const breaks = {
    name: "lose the stem",
    run: (p: Program) => ({ ...p, graph: { ...p.graph, nodes: p.graph.nodes.slice(1) } }),
  };
  assert.throws(
    () => runPasses(program, [...inferencePasses, breaks]),
    (error) => error instanceof SenetError && error.code === "graph" && error.message.includes('after "lose the stem"'),
  );
  assert.equal(graph.inputs[0]!.name, inputName);
});
