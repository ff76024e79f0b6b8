/** Element-wise operations, and the squeeze-and-excitation scale. */

import type { Value } from "../../ir/graph.ts";
import type { Lowering, Rules } from "./rules.ts";

export const elementwiseRules: Rules<"relu" | "sigmoid" | "add" | "seScaleAdd" | "seScale"> = {
  relu: (l, { inputs }) => [l.emit.node("Relu", [l.get(inputs[0]!)])],

  sigmoid: (l, { inputs }) => [l.emit.node("Sigmoid", [l.get(inputs[0]!)])],

  add: (l, { inputs }) => [
    l.emit.node(
      "Add",
      inputs.map((input) => l.get(input)),
    ),
  ],

  seScaleAdd: (l, { inputs }) => {
    const [gate, branch, shortcut] = inputs as [Value, Value, Value];
    return [l.emit.node("Add", [scaled(l, gate, branch), l.get(shortcut)])];
  },

  seScale: (l, { inputs }) => {
    const [gate, x] = inputs as [Value, Value];
    return [scaled(l, gate, x)];
  },
};

/** Each channel of `x` times its gate. */
function scaled(l: Lowering, gate: Value, x: Value): string {
  const { emit } = l;
  if (!l.isPortable) return emit.node("Mul", [l.get(gate), l.get(x)]);
  // OpenCV before 4.7 only supports per-channel products within one picture, so the batch is viewed as one picture with
  // N·C channels.
  const [, channels, height, width] = x.type.shape as [number, number, number, number];
  const picture = emit.node("Reshape", [l.get(x), emit.ints(1, -1, height, width)]);
  const gates = emit.node("Reshape", [l.get(gate), emit.ints(1, -1, 1, 1)]);
  return emit.node("Reshape", [emit.node("Mul", [picture, gates]), emit.ints(-1, channels, height, width)]);
}
