/** What works value by value, and the squeeze-and-excitation scale. */

import type { Value } from "../../ir/graph.ts";
import type { Emitter } from "./emitter.ts";
import type { Lowering, Rules } from "./rules.ts";

export const elementwiseRules: Rules<
  "relu" | "sigmoid" | "silu" | "mish" | "add" | "multiply" | "seScaleAdd" | "seScale" | "concat" | "channelSlice"
> = {
  relu: (l, { inputs }) => [l.emit.node("Relu", [l.get(inputs[0]!)])],

  sigmoid: (l, { inputs }) => [l.emit.node("Sigmoid", [l.get(inputs[0]!)])],

  silu: (l, { inputs }) => [silu(l.emit, l.get(inputs[0]!))],

  mish: (l, { inputs }) => [mish(l.emit, l.get(inputs[0]!))],

  add: (l, { inputs }) => [
    l.emit.node(
      "Add",
      inputs.map((input) => l.get(input)),
    ),
  ],

  multiply: (l, { inputs, attrs }) => [l.emit.node("Mul", [l.get(inputs[0]!), l.emit.float(attrs.factor)])],

  seScaleAdd: (l, { inputs }) => {
    const [gate, branch, shortcut] = inputs as [Value, Value, Value];
    return [l.emit.node("Add", [scaled(l, gate, branch), l.get(shortcut)])];
  },

  seScale: (l, { inputs }) => {
    const [gate, x] = inputs as [Value, Value];
    return [scaled(l, gate, x)];
  },

  concat: (l, { inputs }) => [
    l.emit.node(
      "Concat",
      inputs.map((input) => l.get(input)),
      { axis: { int: 1 } },
    ),
  ],

  channelSlice: (l, { inputs, attrs }) => {
    const [start, end] = [attrs.start, attrs.start + attrs.length];
    return [l.emit.node("Slice", [l.get(inputs[0]!), l.emit.ints(start), l.emit.ints(end), l.emit.ints(1)])];
  },
};

/** Each channel of `x` times its gate. */
function scaled(l: Lowering, gate: Value, x: Value): string {
  const { emit } = l;
  if (!l.isPortable) return emit.node("Mul", [l.get(gate), l.get(x)]);
  // OpenCV before 4.7 multiplies by channel only within a single picture: so all are one, of N·C channels.
  const [, channels, height, width] = x.type.shape as [number, number, number, number];
  const picture = emit.node("Reshape", [l.get(x), emit.ints(1, -1, height, width)]);
  const gates = emit.node("Reshape", [l.get(gate), emit.ints(1, -1, 1, 1)]);
  return emit.node("Reshape", [emit.node("Mul", [picture, gates]), emit.ints(-1, channels, height, width)]);
}

export const silu = (emit: Emitter, x: string): string => emit.node("Mul", [x, emit.node("Sigmoid", [x])]);

/** Of older operators: ONNX has its own from version 18 on, which not all programs read. */
export const mish = (emit: Emitter, x: string): string => emit.node("Mul", [x, tanhSoftplus(emit, x)]);

export const tanhSoftplus = (emit: Emitter, x: string): string => emit.node("Tanh", [emit.node("Softplus", [x])]);
