/** Gradients of element-wise operations, and other operations of training. */

import type { Node, Value } from "../../ir/graph.ts";
import type { Emitter } from "./emitter.ts";
import { tanhSoftplus } from "./lower-unusual.ts";
import type { Lowering, Rules } from "./rules.ts";

export const elementwiseTrainingRules: Rules<
  | "reluBackward"
  | "sigmoidBackward"
  | "siluBackward"
  | "mishBackward"
  | "dropout"
  | "seScaleBackward"
  | "after"
  | "fill"
> = {
  reluBackward: (l, { inputs }) => {
    const [y, dy] = inputs as [Value, Value];
    return [l.emit.node("Mul", [step(l.emit, l.get(y)), l.get(dy)])];
  },

  sigmoidBackward: (l, { inputs }) => {
    const [y, dy] = inputs as [Value, Value];
    const slope = l.emit.node("Mul", [l.get(y), l.emit.node("Sub", [l.emit.float(1), l.get(y)])]);
    return [l.emit.node("Mul", [slope, l.get(dy)])];
  },

  siluBackward: (l, { inputs }) => [siluBackward(l.emit, l.get(inputs[0]!), l.get(inputs[1]!))],

  mishBackward: (l, { inputs }) => [mishBackward(l.emit, l.get(inputs[0]!), l.get(inputs[1]!))],

  dropout: (l, { inputs }) => [
    l.emit.node(
      "Mul",
      inputs.map((input) => l.get(input)),
    ),
  ],

  seScaleBackward: (l, { inputs, outputs }) => {
    const [gate, branch, dy] = inputs as [Value, Value, Value];
    const [dgate, dbranch] = outputs as [Value, Value];
    const product = () => l.emit.node("Mul", [l.get(branch), l.get(dy)]);
    return [
      l.isUsed(dgate) ? l.emit.node("ReduceSum", [product(), l.emit.ints(2, 3)]) : undefined,
      l.isUsed(dbranch) ? l.emit.node("Mul", [l.get(gate), l.get(dy)]) : undefined,
    ];
  },

  after: (l, node) => [waitFor(l, node, l.get(node.inputs[0]!))],

  fill: (l, { attrs }) => [l.emit.node("Expand", [l.emit.float(attrs.value), l.emit.ints(...attrs.shape)])],
};

/** `dy · s · (1 + x · (1 − s))` */
export function siluBackward(emit: Emitter, x: string, dy: string): string {
  const s = emit.node("Sigmoid", [x]);
  const rest = emit.node("Mul", [x, emit.node("Sub", [emit.float(1), s])]);
  return emit.node("Mul", [dy, emit.node("Mul", [s, emit.node("Add", [rest, emit.float(1)])])]);
}

/** `dy · (t + x · sigmoid(x) · (1 − t²))`, t being `tanh(softplus(x))` */
export function mishBackward(emit: Emitter, x: string, dy: string): string {
  const t = tanhSoftplus(emit, x);
  const slope = emit.node("Sub", [emit.float(1), emit.node("Mul", [t, t])]);
  const rest = emit.node("Mul", [emit.node("Mul", [x, emit.node("Sigmoid", [x])]), slope]);
  return emit.node("Mul", [dy, emit.node("Add", [t, rest])]);
}

/** 1 where y is positive, else 0: a very steep line clipped to 0 … 1. One pass, unlike Sign and Where (docs/log.md). */
export const step = (emit: Emitter, y: string): string =>
  emit.node("HardSigmoid", [y], { alpha: { float: 3.4e38 }, beta: { float: 0 } });

/**
 * Makes `x` depend on the cues through its shape: a number is never less than itself, so zero is added to the shape and
 * nothing is copied, but no optimiser can know that in advance.
 * @param x name of the operation's first input, blocked or not
 */
export function waitFor(l: Lowering, { inputs }: Node<"after">, x: string): string {
  const { emit } = l;
  const [value, ...cues] = inputs as [Value, ...Value[]];
  const numbers = cues.map((cue) => {
    const flat = emit.node("Reshape", [l.get(cue), emit.ints(-1)]);
    return emit.node("Gather", [flat, emit.ints(0)]);
  });
  const all = numbers.length === 1 ? numbers[0]! : emit.node("Concat", numbers, { axis: { int: 0 } });
  const int64 = 7;
  const nothings = emit.node("Cast", [emit.node("Less", [all, all])], { to: { int: int64 } });
  const nothing = emit.node("ReduceMax", [nothings, emit.ints(0)], { keepdims: { int: 1 } });
  return emit.node("Reshape", [x, emit.node("Add", [emit.ints(...value.type.shape), nothing])]);
}
