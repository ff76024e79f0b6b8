import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance } from "../../../tests/conformance.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import type { Value } from "../../ir/graph.ts";
import { type Tensor, tensor, zeros } from "../../tensor.ts";
import { referenceExecutor } from "./reference.ts";

conformance({ name: "reference", executor: referenceExecutor, tolerance: 1e-10, dtypes: ["float64"] });

const floats = (shape: readonly number[], ...values: number[]): Tensor => tensor(shape, Float32Array.from(values));

/** Runs a graph of these inputs, whose outputs `build` gives. */
async function run(
  inputs: Readonly<Record<string, Tensor>>,
  build: (builder: GraphBuilder, ...values: Value[]) => Readonly<Record<string, Value>>,
): Promise<Record<string, number[]>> {
  const builder = new GraphBuilder("test");
  const values = Object.entries(inputs).map(([name, { shape, dtype }]) => builder.input(name, shape, dtype));
  for (const [name, value] of Object.entries(build(builder, ...values))) builder.output(name, value);
  const executable = await referenceExecutor.compile(builder.build(), new Map());
  const outputs = await executable.run(new Map(Object.entries(inputs)));
  return Object.fromEntries([...outputs].map(([name, { data }]) => [name, [...data]]));
}

test("a NaN stays visible, so that the first operation that made one can be found", async () => {
  const inputs = { x: floats([1, 1, 2, 2], 1, NaN, 3, -2), dy: floats([1, 1, 2, 2], 1, 2, 3, 4) };
  const found = await run(inputs, (builder, x, dy) => ({
    relu: builder.apply("relu", "relu", [x!], {}),
    reluBackward: builder.apply("reluBackward", "relu.backward", [x!, dy!], {}),
    maxPool: builder.apply("maxPool", "pool", [x!], { kernel: 2, stride: 2, pad: 0, ceil: false }),
    sigmoid: builder.apply("sigmoid", "sigmoid", [x!], {}),
  }));
  assert.deepEqual(found.relu, [1, NaN, 3, 0]);
  assert.deepEqual(found.reluBackward, [1, 2, 3, 0]);
  assert.deepEqual(found.maxPool, [NaN]);
  assert.ok(Number.isNaN(found.sigmoid![1]));
});

test("a window that sees nothing but padding is no maximum of anything, and takes no gradient", async () => {
  const attrs = { kernel: 1, stride: 1, pad: 1, ceil: false };
  const inputs = { x: floats([1, 1, 1, 1], -5), dy: floats([1, 1, 3, 3], 1, 2, 3, 4, 5, 6, 7, 8, 9) };
  const found = await run(inputs, (builder, x, dy) => ({
    y: builder.apply("maxPool", "y", [x!], attrs),
    dx: builder.apply("maxPoolBackward", "dx", [x!, dy!], attrs),
  }));
  assert.deepEqual(
    found.y,
    Array.from({ length: 9 }, (_, i) => (i === 4 ? -5 : -Infinity)),
  );
  assert.deepEqual(found.dx, [5]);
});

test("inputs of different batches are refused by the first operation that they do not fit", async () => {
  const builder = new GraphBuilder("two inputs");
  const a = builder.input("a", [2, 3]);
  builder.output("y", builder.apply("add", "the.sum", [a, builder.input("b", [2, 3])], {}));
  const executable = await referenceExecutor.compile(builder.build(), new Map());
  const inputs = new Map([
    ["a", floats([1, 3], 1, 2, 3)],
    ["b", floats([2, 3], 1, 2, 3, 4, 5, 6)],
  ]);
  await assert.rejects(executable.run(inputs), /the\.sum/);
});

test("an executable that was disposed of does not run", async () => {
  const builder = new GraphBuilder("disposed");
  builder.output("y", builder.apply("relu", "y", [builder.input("x", [1, 1])], {}));
  const executable = await referenceExecutor.compile(builder.build(), new Map());
  const inputs = new Map([["x", floats([1, 1], 1)]]);
  await executable.run(inputs);
  await executable.dispose();
  await assert.rejects(executable.run(inputs), /disposed/);
});

test("a run is given up between two operations; without a signal nothing else runs meanwhile", async () => {
  const builder = new GraphBuilder("long");
  const shape = [1, 16, 64, 64];
  const kernel = builder.parameter("kernel", [16, 16, 3, 3], "weight");
  let value = builder.input("x", shape);
  for (let i = 0; i < 40; i++)
    value = builder.apply("conv2d", `conv${i}`, [value, kernel], { stride: 1, pad: 1, groups: 1 });
  builder.output("y", value);
  const weights = new Map([["kernel", zeros("float32", [16, 16, 3, 3])]]);
  await using executable = await referenceExecutor.compile(builder.build(), weights);
  const inputs = new Map([["x", zeros("float32", shape)]]);
  const giveUp = new AbortController();
  const run = executable.run(inputs, { signal: giveUp.signal });
  giveUp.abort(new Error("enough"));
  await assert.rejects(run, /^Error: enough/);
});
