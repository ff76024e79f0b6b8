import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance } from "../../../tests/conformance.ts";
import { SenetError } from "../../errors.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import type { Graph } from "../../ir/graph.ts";
import { type DType, type Shape, sizeOf, type Tensor, tensor } from "../../tensor.ts";
import { ortExecutor } from "./executor.node.ts";

conformance({ name: "ort", executor: ortExecutor, tolerance: 1e-5, dtypes: ["float32"] });

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
