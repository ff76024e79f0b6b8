/** What works value by value, and the squeeze-and-excitation scale. */

import type { Node, Value } from "../../ir/graph.ts";
import type { Emitter } from "./emitter.ts";
import type { Lowering, Rules } from "./rules.ts";

export const elementwiseRules: Rules<
  | "relu"
  | "reluBackward"
  | "sigmoid"
  | "sigmoidBackward"
  | "silu"
  | "siluBackward"
  | "mish"
  | "mishBackward"
  | "add"
  | "multiply"
  | "seScaleAdd"
  | "seScale"
  | "seScaleBackward"
  | "dropout"
  | "concat"
  | "channelSlice"
  | "after"
  | "fill"
> = {
  relu: (l, { inputs }) => [l.emit.node("Relu", [l.get(inputs[0]!)])],

  reluBackward: (l, { inputs }) => {
    const [y, dy] = inputs as [Value, Value];
    return [l.emit.node("Mul", [step(l.emit, l.get(y)), l.get(dy)])];
  },

  sigmoid: (l, { inputs }) => [l.emit.node("Sigmoid", [l.get(inputs[0]!)])],

  sigmoidBackward: (l, { inputs }) => {
    const [y, dy] = inputs as [Value, Value];
    const slope = l.emit.node("Mul", [l.get(y), l.emit.node("Sub", [l.emit.float(1), l.get(y)])]);
    return [l.emit.node("Mul", [slope, l.get(dy)])];
  },

  silu: (l, { inputs }) => [silu(l.emit, l.get(inputs[0]!))],

  siluBackward: (l, { inputs }) => [siluBackward(l.emit, l.get(inputs[0]!), l.get(inputs[1]!))],

  mish: (l, { inputs }) => [mish(l.emit, l.get(inputs[0]!))],

  mishBackward: (l, { inputs }) => [mishBackward(l.emit, l.get(inputs[0]!), l.get(inputs[1]!))],

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

  dropout: (l, { inputs }) => [
    l.emit.node(
      "Mul",
      inputs.map((input) => l.get(input)),
    ),
  ],

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

/** `dy · s · (1 + x · (1 − s))` */
export function siluBackward(emit: Emitter, x: string, dy: string): string {
  const s = emit.node("Sigmoid", [x]);
  const rest = emit.node("Mul", [x, emit.node("Sub", [emit.float(1), s])]);
  return emit.node("Mul", [dy, emit.node("Mul", [s, emit.node("Add", [rest, emit.float(1)])])]);
}

/** Of older operators: ONNX has its own from version 18 on, which not all programs read. */
export const mish = (emit: Emitter, x: string): string => emit.node("Mul", [x, tanhSoftplus(emit, x)]);

const tanhSoftplus = (emit: Emitter, x: string): string => emit.node("Tanh", [emit.node("Softplus", [x])]);

/** `dy · (t + x · sigmoid(x) · (1 − t²))`, t being `tanh(softplus(x))` */
export function mishBackward(emit: Emitter, x: string, dy: string): string {
  const t = tanhSoftplus(emit, x);
  const slope = emit.node("Sub", [emit.float(1), emit.node("Mul", [t, t])]);
  const rest = emit.node("Mul", [emit.node("Mul", [x, emit.node("Sigmoid", [x])]), slope]);
  return emit.node("Mul", [dy, emit.node("Add", [t, rest])]);
}

/** 1 where y is positive, else 0: the steepest line, clipped to 0 and 1. One pass, unlike Sign and Where (docs/log.md). */
export const step = (emit: Emitter, y: string): string =>
  emit.node("HardSigmoid", [y], { alpha: { float: 3.4e38 }, beta: { float: 0 } });

/**
 * `x`, which ONNX Runtime cannot have before the cues: its shape is made to depend on them. A number is never less than
 * itself, so that nothing is added to the shape, and nothing is copied; but no optimiser can know that beforehand.
 * @param x what the operation's first input is called, blocked or not
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
