/**
 * Sums, scales and joins. The gate's operations see `[N, C, H, W]` as one picture of N·C channels, which in a blocked
 * layout is the same memory: then a gate is a factor of a channel, and the library's fast code knows factors of channels.
 */

import type { Value } from "../../ir/graph.ts";
import { type Shape, sameShape } from "../../tensor.ts";
import { type Lowering, postOpsOf, type Rule } from "./lowering.node.ts";
import type { Place } from "./plan.node.ts";
import { Arg } from "./spec.ts";

export const add: Rule<"add"> = (lowering, node) => {
  const { plan, api } = lowering;
  const [a, b] = [lowering.get(node.inputs[0]!), lowering.get(node.inputs[1]!)];
  const sum = lowering.make(node.outputs[0]!);
  const postOps = postOpsOf(node);
  const spec = { primitive: "binary", algorithm: "add", src: a.desc, operand: b.desc, dst: sum.desc, postOps } as const;
  const reads = { [Arg.src]: a, [Arg.operand]: b };
  plan.run(node.name, api.primitive(node.name, spec), reads, { [Arg.dst]: sum }, { of: sum, from: [a] });
};

/** `gate · x (+ sum)`, and a ReLU, in one pass. */
export const scale: Rule<"scale"> = (lowering, node) => {
  const { plan, api } = lowering;
  const [gate, x] = node.inputs as [Value, Value];
  const { shape } = x.type;
  const src = lowering.merged(lowering.get(x), shape);
  const factor = lowering.mergedGate(lowering.get(gate), shape);
  const dst = lowering.merged(lowering.make(node.outputs[0]!), shape);
  const sum = node.sum && summand(lowering, node.sum, shape);
  const postOps = postOpsOf(node, sum);
  const { desc: operand } = factor;
  const spec = { primitive: "binary", algorithm: "mul", src: src.desc, operand, dst: dst.desc, postOps } as const;
  const reads = { [Arg.src]: src, [Arg.operand]: factor, [api.postOpArg(0)]: sum };
  plan.run(node.name, api.primitive(node.name, spec), reads, { [Arg.dst]: dst });
};

/** Of the merged picture, or one number for each of its channels. */
function summand(lowering: Lowering, sum: Value, picture: Shape): Place {
  const place = lowering.get(sum);
  return sameShape(sum.type.shape, picture) ? lowering.merged(place, picture) : lowering.mergedGate(place, picture);
}

/**
 * `dgate[n,c] = Σ dy · branch` over the positions. The library has no such operation, but one of the same arithmetic: a
 * depthwise convolution of the branch whose kernel is the gradient and as large as the picture. One pass over both.
 */
export const gateGradient: Rule<"gateGradient"> = (lowering, node) => {
  const { plan, api } = lowering;
  const [branch, dy] = node.inputs as [Value, Value];
  const [batch, channels, height, width] = branch.type.shape as [number, number, number, number];
  const layout = plan.layoutOf(branch.type.shape);
  const src = lowering.merged(lowering.get(branch), branch.type.shape);
  const gradient = lowering.get(dy);
  const dims = [batch * channels, 1, 1, height, width];
  const weights = plan.as(gradient, plan.describe(dims, gradient.desc.type, layout));
  const dst = lowering.mergedGate(lowering.make(node.outputs[0]!), branch.type.shape);
  const spec = {
    primitive: "convolution",
    pass: "inference",
    src: src.desc,
    weights: weights.desc,
    dst: dst.desc,
    window: { strides: [1, 1], padLow: [0, 0], padHigh: [0, 0] },
  } as const;
  const reads = { [Arg.src]: src, [Arg.weights]: weights };
  plan.run(node.name, api.primitive(node.name, spec), reads, { [Arg.dst]: dst });
};

export const concat: Rule<"concat"> = (lowering, node) => {
  const { plan, api } = lowering;
  const [output] = node.outputs as [Value];
  const starts: number[] = [0];
  for (const input of node.inputs.slice(0, -1)) starts.push(starts.at(-1)! + input.type.shape[1]!);
  // A part of a blocked value begins where a block begins; row-major it begins anywhere.
  const whole = splitsBlocks(lowering, output, starts) ? lowering.makePlain(output) : lowering.make(output);
  for (const [i, input] of node.inputs.entries()) {
    const part = lowering.get(input);
    const into = plan.as(whole, api.view(whole.desc, input.type.shape, [0, starts[i]!, 0, 0]));
    const spec = { primitive: "reorder", src: part.desc, dst: into.desc } as const;
    plan.run(node.name, api.primitive(node.name, spec), { [Arg.src]: part }, { [Arg.dst]: into });
  }
};

export const channelSlice: Rule<"channelSlice"> = (lowering, node) => {
  const { plan, api } = lowering;
  const [input] = node.inputs as [Value];
  const { start } = node.attrs;
  const whole = splitsBlocks(lowering, input, [start]) ? lowering.plain(input) : lowering.get(input);
  const slice = lowering.make(node.outputs[0]!);
  const from = plan.as(whole, api.view(whole.desc, node.outputs[0]!.type.shape, [0, start, 0, 0]));
  const spec = { primitive: "reorder", src: from.desc, dst: slice.desc } as const;
  plan.run(node.name, api.primitive(node.name, spec), { [Arg.src]: from }, { [Arg.dst]: slice });
};

/** Whether a part that begins there begins within a block. */
const splitsBlocks = ({ plan }: Lowering, whole: Value, starts: readonly number[]): boolean =>
  plan.layoutOf(whole.type.shape) !== "plain" && starts.some((start) => start % plan.block! !== 0);
