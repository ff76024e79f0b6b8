/**
 * Operations that only some networks have in inference: activations other than ReLU, and Inception's concatenation and
 * slices.
 */

import type { Emitter } from "./emitter.ts";
import type { Rules } from "./rules.ts";

export const unusualRules: Rules<"silu" | "mish" | "multiply" | "concat" | "channelSlice"> = {
  silu: (l, { inputs }) => [silu(l.emit, l.get(inputs[0]!))],

  mish: (l, { inputs }) => [mish(l.emit, l.get(inputs[0]!))],

  multiply: (l, { inputs, attrs }) => [l.emit.node("Mul", [l.get(inputs[0]!), l.emit.float(attrs.factor)])],

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

export const silu = (emit: Emitter, x: string): string => emit.node("Mul", [x, emit.node("Sigmoid", [x])]);

/** Built from older operators: ONNX has Mish only from version 18 on, which not all programs read. */
export const mish = (emit: Emitter, x: string): string => emit.node("Mul", [x, tanhSoftplus(emit, x)]);

export const tanhSoftplus = (emit: Emitter, x: string): string => emit.node("Tanh", [emit.node("Softplus", [x])]);
