/**
 * Sums, scales and joins. The gate's operations see `[N, C, H, W]` as one picture of N·C channels, which in a blocked
 * layout is the same memory: then a gate is a factor of a channel, and the library's fast code knows factors of channels.
 */

import { SenetError } from "../../errors.ts";
import type { Value } from "../../ir/graph.ts";
import type { Lowering, Rule } from "./lowering.node.ts";
import type { Place } from "./plan.node.ts";
import { Arg, type PostOp } from "./spec.ts";

export const add: Rule<"add"> = (lowering, node) => {
  const { plan, api } = lowering;
  const waiting = node.inputs.find((input) => lowering.waiting.has(input));
  if (waiting !== undefined) {
    const other = node.inputs.find((input) => input !== waiting)!;
    scaleGradient(lowering, node.name, waiting, node.outputs[0]!, lowering.spread.get(other));
    return;
  }
  const relu = lowering.fusion.onlyUser(node.outputs[0]!, "relu");
  const [a, b] = [lowering.get(node.inputs[0]!), lowering.get(node.inputs[1]!)];
  if (relu !== undefined) lowering.done.add(relu);
  const sum = lowering.make((relu ?? node).outputs[0]!);
  const postOps: readonly PostOp[] = relu === undefined ? [] : [{ kind: "relu" }];
  const spec = { primitive: "binary", algorithm: "add", src: a.desc, operand: b.desc, dst: sum.desc, postOps } as const;
  const reads = { [Arg.src]: a, [Arg.operand]: b };
  plan.run(node.name, api.primitive(node.name, spec), reads, { [Arg.dst]: sum }, { of: sum, from: [a] });
};

export const seScaleAdd: Rule<"seScaleAdd"> = (lowering, node) => {
  const [gate, branch, shortcut] = node.inputs;
  scale(lowering, node.name, gate!, branch!, node.outputs[0]!, shortcut);
};

export const seScale: Rule<"seScale"> = (lowering, node) => {
  const [gate, x] = node.inputs;
  scale(lowering, node.name, gate!, x!, node.outputs[0]!);
};

/** `gate · branch (+ shortcut)`, and the ReLU behind it, in one pass. */
function scale(lowering: Lowering, name: string, gate: Value, branch: Value, output: Value, shortcut?: Value): void {
  const { shape } = branch.type;
  const relu = lowering.fusion.onlyUser(output, "relu");
  if (relu !== undefined) lowering.done.add(relu);
  multiplyAdd(lowering, name, {
    gate,
    x: branch,
    sum: shortcut && lowering.merged(lowering.get(shortcut), shape),
    relu: relu !== undefined,
    output: relu === undefined ? output : relu.outputs[0]!,
  });
}

interface MultiplyAdd {
  readonly gate: Value;
  readonly x: Value;
  /** Of the merged picture, or one number for each of its channels. */
  readonly sum: Place | undefined;
  readonly relu: boolean;
  readonly output: Value;
}

/** `gate · x (+ sum)`, and a ReLU, in one pass. */
function multiplyAdd(lowering: Lowering, name: string, { gate, x, sum, relu, output }: MultiplyAdd): void {
  const { plan, api } = lowering;
  const { shape } = x.type;
  const src = lowering.merged(lowering.get(x), shape);
  const factor = lowering.mergedGate(lowering.get(gate), shape);
  const dst = lowering.merged(lowering.make(output), shape);
  const postOps: PostOp[] = [];
  if (sum !== undefined) postOps.push({ kind: "add", operand: sum.desc });
  if (relu) postOps.push({ kind: "relu" });
  const { desc: operand } = factor;
  const spec = { primitive: "binary", algorithm: "mul", src: src.desc, operand, dst: dst.desc, postOps } as const;
  const reads = { [Arg.src]: src, [Arg.operand]: factor, [api.postOpArg(0)]: sum };
  plan.run(name, api.primitive(name, spec), reads, { [Arg.dst]: dst });
}

export const seScaleBackward: Rule<"seScaleBackward"> = (lowering, node) => {
  const [gate, branch, dy] = node.inputs;
  const [dgate, dbranch] = node.outputs;
  gateGradient(lowering, node.name, branch!, dy!, dgate!);
  const from = { gate: gate!, dy: dy! };
  // The squeeze's gradient is the same for all positions of a channel: added on the way, where it comes next.
  const sum = lowering.fusion.onlyUser(dbranch!, "add");
  lowering.waiting.set(dbranch!, from);
  const other = sum?.inputs.find((input) => input !== dbranch);
  if (other !== undefined && lowering.fusion.maker(other, "globalAvgPoolBackward") !== undefined) return;
  scaleGradient(lowering, node.name, dbranch!, dbranch!);
};

/** `gate · dy (+ what each position of a channel gets)`, in one pass. */
function scaleGradient(lowering: Lowering, name: string, waiting: Value, output: Value, spread?: Place): void {
  const { gate, dy } = lowering.waiting.get(waiting)!;
  lowering.waiting.delete(waiting);
  const sum = spread && lowering.mergedGate(spread, dy.type.shape);
  multiplyAdd(lowering, name, { gate, x: dy, sum, relu: false, output });
}

/**
 * `dgate[n,c] = Σ dy · branch` over the positions. The library has no such operation, but one of the same arithmetic: a
 * depthwise convolution of the branch whose kernel is the gradient and as large as the picture. One pass over both.
 */
function gateGradient(lowering: Lowering, name: string, branch: Value, dy: Value, dgate: Value): void {
  const { plan, api } = lowering;
  const [batch, channels, height, width] = branch.type.shape as [number, number, number, number];
  const layout = plan.layoutOf(branch.type.shape);
  const src = lowering.merged(lowering.get(branch), branch.type.shape);
  const gradient = lowering.get(dy);
  const dims = [batch * channels, 1, 1, height, width];
  const weights = plan.as(gradient, plan.describe(dims, gradient.desc.type, layout));
  const place = lowering.make(dgate);
  const dst = lowering.mergedGate(place, branch.type.shape);
  const spec = {
    primitive: "convolution",
    pass: "inference",
    src: src.desc,
    weights: weights.desc,
    dst: dst.desc,
    window: { strides: [1, 1], padLow: [0, 0], padHigh: [0, 0] },
  } as const;
  plan.run(name, api.primitive(name, spec), { [Arg.src]: src, [Arg.weights]: weights }, { [Arg.dst]: dst });
}

export const concat: Rule<"concat"> = (lowering, node) => {
  const { plan, api } = lowering;
  const whole = lowering.make(node.outputs[0]!);
  let start = 0;
  for (const input of node.inputs) {
    const part = lowering.get(input);
    const length = input.type.shape[1]!;
    refuseSplitBlocks(lowering, node.name, node.outputs[0]!, start);
    const into = plan.as(whole, api.view(whole.desc, input.type.shape, [0, start, 0, 0]));
    const spec = { primitive: "reorder", src: part.desc, dst: into.desc } as const;
    plan.run(node.name, api.primitive(node.name, spec), { [Arg.src]: part }, { [Arg.dst]: into });
    start += length;
  }
};

export const channelSlice: Rule<"channelSlice"> = (lowering, node) => {
  const { plan, api } = lowering;
  const whole = lowering.get(node.inputs[0]!);
  const slice = lowering.make(node.outputs[0]!);
  refuseSplitBlocks(lowering, node.name, node.inputs[0]!, node.attrs.start);
  const from = plan.as(whole, api.view(whole.desc, node.outputs[0]!.type.shape, [0, node.attrs.start, 0, 0]));
  const spec = { primitive: "reorder", src: from.desc, dst: slice.desc } as const;
  plan.run(node.name, api.primitive(node.name, spec), { [Arg.src]: from }, { [Arg.dst]: slice });
};

/** A part of a blocked value begins where a block begins. */
function refuseSplitBlocks({ plan }: Lowering, name: string, whole: Value, start: number): void {
  if (plan.layoutOf(whole.type.shape) === "plain" || start % plan.block! === 0) return;
  throw new SenetError("executor", "oneDNN cannot run this operation", {
    where: name,
    found: `channels from ${start} on, in blocks of ${plan.block}`,
    hint: "--executor ort",
  });
}
