/** Small graphs in eight bits, each with an operation that engines fuse, and the allowed difference between engines. */

import assert from "node:assert/strict";
import type { Executor, Weights } from "../src/executors/executor.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import type { Graph, Value } from "../src/ir/graph.ts";
import { quantizedRows } from "../src/passes/quantize-weights.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../src/tensor.ts";

/** The scale of results. */
const step = 1 / 32;

class Sketch {
  readonly builder = new GraphBuilder("eight bits");
  readonly weights = new Map<string, Tensor>();
  readonly feeds = new Map<string, Tensor>();

  numbers(shape: Shape, seed: number, scale = 1): Tensor {
    const values = Array.from({ length: sizeOf(shape) }, (_, i) => scale * Math.sin((i + 1) * 12.9898 + seed * 78.233));
    return tensor(shape, Float32Array.from(values));
  }

  input(name: string, shape: Shape): Value {
    this.feeds.set(name, this.numbers(shape, this.feeds.size, 2));
    return this.builder.input(name, shape);
  }

  parameter(name: string, value: Tensor, role: "weight" | "bias" | "gamma"): Value {
    this.weights.set(name, value);
    return this.builder.parameter(name, value.shape, role, value.dtype);
  }

  /** Quantises and dequantises. */
  rounded(value: Value, signed: boolean, scale = 1 / 48): Value {
    const name = `${value.name}.quantize`;
    const q = this.builder.apply("quantize", name, [value], { scale, signed });
    return this.builder.apply("dequantize", `${value.name}.dequantize`, [q], { scale });
  }

  /** A layer with its weights in eight bits. */
  layer(op: "conv2d" | "linear", x: Value, shape: Shape, attrs = { stride: 1, pad: 0, groups: 1 }, unused = 0): Value {
    const weight = this.numbers(shape, 7, 1 / Math.sqrt(sizeOf(shape.slice(1))));
    weight.data.fill(1e-9, 0, unused * sizeOf(shape.slice(1)));
    const { quantized, scale } = quantizedRows(weight);
    const eight = [this.parameter("w", quantized, "weight"), this.parameter("scale", scale, "gamma")];
    const w = this.builder.apply("dequantizeWeight", "w.dequantize", eight, {});
    const bias = this.parameter("b", this.numbers([shape[0]!], 3, 0.2), "bias");
    return this.builder.apply(op, "layer", [x, w, bias], (op === "linear" ? {} : attrs) as typeof attrs);
  }

  relu(x: Value): Value {
    return this.builder.apply("relu", `${x.name}.relu`, [x], {});
  }
}

const convolution = (shape: Shape, attrs: { stride: number; pad: number; groups: number }, signed = false) => {
  return (s: Sketch) => {
    const x = s.rounded(s.input("x", [2, shape[1]! * attrs.groups, 7, 6]), signed);
    return s.rounded(s.relu(s.layer("conv2d", x, shape, attrs)), false, step);
  };
};

export const eightBitCases: Readonly<Record<string, (sketch: Sketch) => Value>> = {
  "quantize and dequantize": (s) => s.rounded(s.input("x", [2, 16, 5, 3]), true),
  "quantize without a sign cuts off below zero": (s) => s.rounded(s.input("x", [2, 3]), false),
  "1×1": convolution([32, 16, 1, 1], { stride: 1, pad: 0, groups: 1 }),
  "3×3, padded, at stride 2": convolution([16, 32, 3, 3], { stride: 2, pad: 1, groups: 1 }),
  "7×7 of three channels with a sign": convolution([16, 3, 7, 7], { stride: 2, pad: 3, groups: 1 }, true),
  "in groups of a few channels": convolution([32, 4, 3, 3], { stride: 1, pad: 1, groups: 8 }),
  "to float32": (s) => s.layer("conv2d", s.rounded(s.input("x", [1, 16, 4, 4]), false), [32, 16, 3, 3]),
  "channels out of use, but for their biases": (s) => {
    const x = s.rounded(s.input("x", [2, 16, 5, 4]), false);
    const y = s.layer("conv2d", x, [32, 16, 1, 1], { stride: 1, pad: 0, groups: 1 }, 8);
    return s.rounded(s.relu(y), false, step);
  },
  linear: (s) => s.rounded(s.layer("linear", s.rounded(s.input("x", [3, 40]), false), [10, 40]), true, step),
  "linear to float32": (s) => s.layer("linear", s.rounded(s.input("x", [3, 40]), true), [10, 40]),
  "a gate, a shortcut and a ReLU": (s) => {
    const [branch, shortcut] = [s.input("branch", [2, 32, 5, 4]), s.input("shortcut", [2, 32, 5, 4])];
    const gate = s.builder.apply("sigmoid", "gate", [s.input("z", [2, 32, 1, 1])], {});
    const inputs = [gate, s.rounded(branch, true), s.rounded(shortcut, false, 1 / 80)];
    return s.rounded(s.relu(s.builder.apply("seScaleAdd", "axpy", inputs, {})), false, step);
  },
  "a gate alone, to float32": (s) => {
    const gate = s.input("gate", [2, 32, 1, 1]);
    return s.builder.apply("seScale", "scaled", [gate, s.rounded(s.input("x", [2, 32, 5, 4]), true)], {});
  },
  "a gate alone, without a sign": (s) => {
    const gate = s.builder.apply("sigmoid", "gate", [s.input("z", [2, 32, 1, 1])], {});
    const x = s.rounded(s.input("x", [2, 32, 5, 4]), false);
    return s.rounded(s.builder.apply("seScale", "scaled", [gate, x], {}), false, 1 / 64);
  },
  "a shortcut without a gate": (s) => {
    const [a, b] = [s.rounded(s.input("a", [2, 16, 5, 4]), true), s.rounded(s.input("b", [2, 16, 5, 4]), false)];
    return s.rounded(s.relu(s.builder.apply("add", "sum", [a, b], {})), false, step);
  },
  "max pooling": (s) => {
    const x = s.rounded(s.input("x", [2, 16, 7, 7]), false, step);
    const pooled = s.builder.apply("maxPool", "pool", [x], { kernel: 3, stride: 2, pad: 0, ceil: true });
    return s.rounded(pooled, false, step);
  },
  "the squeeze": (s) => s.builder.apply("globalAvgPool", "z", [s.rounded(s.input("x", [2, 32, 7, 7]), true)], {}),
  "the squeeze without a sign": (s) =>
    s.builder.apply("globalAvgPool", "z", [s.rounded(s.input("x", [2, 32, 7, 7]), false)], {}),
  "a layer whose input only is in eight bits": (s) => {
    const x = s.rounded(s.input("x", [1, 16, 4, 4]), false);
    const w = s.parameter("w", s.numbers([16, 16, 1, 1], 1, 0.2), "weight");
    return s.builder.apply("conv2d", "y", [x, w], { stride: 1, pad: 0, groups: 1 });
  },
};

/** The graph of a case, its weights and inputs. */
export function eightBitCase(name: string): { graph: Graph; weights: Weights; feeds: ReadonlyMap<string, Tensor> } {
  const sketch = new Sketch();
  sketch.builder.output("y", eightBitCases[name]!(sketch));
  return { graph: sketch.builder.build(), weights: sketch.weights, feeds: sketch.feeds };
}

/**
 * Asserts that an executor gives the results of plain loops; where sums differ in their last bits, results may differ
 * by one step.
 * @param tolerance relative to the largest number
 */
export async function assertEightBits(executor: Executor, name: string, tolerance: number): Promise<void> {
  const { graph, weights, feeds } = eightBitCase(name);
  const outputOf = async (on: Executor) => {
    const network = await on.compile(graph, weights);
    const { data } = (await network.run(feeds)).get("y")!;
    await network.dispose();
    return Array.from(data);
  };
  const expected = await outputOf(referenceExecutor);
  const found = await outputOf(executor);
  assert.ok(
    expected.some((value) => value !== 0),
    "there is something to compare",
  );
  const isRounded = [...graph.outputs.values()][0]!.name.endsWith("dequantize");
  const allowed = tolerance * Math.max(...expected.map(Math.abs));
  const differing = found.filter((value, i) => Math.abs(value - expected[i]!) > allowed);
  if (!isRounded) assert.equal(differing.length, 0, `${differing.length} of ${found.length} differ`);
  assert.ok(differing.length <= 0.01 * found.length, `${differing.length} of ${found.length} differ`);
  for (const [i, value] of found.entries())
    assert.ok(Math.abs(value - expected[i]!) < allowed + 1.01 * step, `${value} at ${i}`);
}
