/** Sums, scales and concatenation. */

import type { Value } from "../../ir/graph.ts";
import { sameShape } from "../../tensor.ts";
import type { FusedNode } from "./fused.ts";
import { type Lowering, postOpsOf, type Rule } from "./lowering.node.ts";
import { Arg, meanOverPositions } from "./spec.ts";

export const add: Rule<"add"> = (lowering, node) => {
  const { plan, api } = lowering;
  const [a, b] = [lowering.get(node.inputs[0]!), lowering.get(node.inputs[1]!)];
  const sum = lowering.make(node.outputs[0]!);
  const postOps = postOpsOf(node);
  const spec = { primitive: "binary", algorithm: "add", src: a.desc, operand: b.desc, dst: sum.desc, postOps } as const;
  const reads = { [Arg.src]: a, [Arg.operand]: b };
  plan.run(node.name, api.primitive(node.name, spec), reads, { [Arg.dst]: sum }, { of: sum, from: [a] });
};

/** `gate · x (+ sum)` and a ReLU in one pass. */
export const scale: Rule<"scale"> = (lowering, node) => {
  const { plan, api } = lowering;
  const [gate, x] = node.inputs as [Value, Value];
  const { shape } = x.type;
  // A picture, or one number for each of its channels: with channels last, the library adds that to one picture at a time.
  const isSumOfChannels = node.sum !== undefined && !sameShape(node.sum.type.shape, shape);
  const { count, picture, gate: gateOf } = lowering.pictures(shape, isSumOfChannels ? shape[0] : 1);
  const whole = { src: lowering.get(x), factor: lowering.get(gate), sum: node.sum && lowering.get(node.sum) };
  const dst = lowering.make(node.outputs[0]!);
  const sumOf = isSumOfChannels ? gateOf : picture;
  const [src, operand, into] = [picture(whole.src), gateOf(whole.factor), picture(dst)];
  const added = whole.sum && sumOf(whole.sum);
  const postOps = postOpsOf(node, added);
  const spec = { primitive: "binary", algorithm: "mul", src, operand, dst: into, postOps } as const;
  const primitive = api.primitive(node.name, spec);
  for (let i = 0; i < count; i++) {
    const reads = {
      [Arg.src]: plan.part(whole.src, src, i),
      [Arg.operand]: plan.part(whole.factor, operand, i),
      [api.postOpArg(0)]: whole.sum && plan.part(whole.sum, added!, i),
    };
    plan.run(node.name, primitive, reads, { [Arg.dst]: plan.part(dst, into, i) }, { of: dst, from: [whole.src] });
  }
};

/** `dgate[n,c] = Σ dy · branch` over the positions. */
export const gateGradient: Rule<"gateGradient"> = (lowering, node) => {
  const { shape } = node.inputs[0]!.type;
  if (lowering.plan.layoutOf(shape) === "channelsLast") productAndMean(lowering, node);
  else depthwiseProduct(lowering, node);
};

/**
 * The library lacks this operation but has one with the same arithmetic: a depthwise convolution of the branch with the
 * gradient as kernel, as large as the picture. One pass over both.
 */
function depthwiseProduct(lowering: Lowering, node: FusedNode<"gateGradient">): void {
  const { plan, api } = lowering;
  const [branch, dy] = node.inputs as [Value, Value];
  const { shape } = branch.type;
  const [batch, channels, height, width] = shape as [number, number, number, number];
  const { picture, gate } = lowering.pictures(shape);
  const [from, gradient] = [lowering.get(branch), lowering.get(dy)];
  const src = plan.as(from, picture(from));
  const dims = [batch * channels, 1, 1, height, width];
  const weights = plan.as(gradient, plan.describe(dims, gradient.desc.type, plan.layoutOf(shape)));
  const into = lowering.make(node.outputs[0]!);
  const dst = plan.as(into, gate(into));
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
}

/** Bytes of products that stay in a processor's cache until they are added up. */
const productBytes = 2 ** 20;

/**
 * With channels last the library's code for that is no faster than two steps over parts of the batch that stay in the
 * cache, so that memory is passed over once: the products, then their mean over the positions; in the end, times the
 * number of these. Products of bf16 are rounded to bf16, since the library writes them in float32 with its reference
 * code only, hundreds of times slower (docs/log.md); they are added up in float32.
 */
function productAndMean(lowering: Lowering, node: FusedNode<"gateGradient">): void {
  const { plan, api } = lowering;
  const { name } = node;
  const [branch, dy] = node.inputs as [Value, Value];
  const { shape } = branch.type;
  const [from, gradient] = [lowering.get(branch), lowering.get(dy)];
  const parts = partsWithin(productBytes, shape[0]!, api.sizeOf(from.desc));
  const { count, picture, gate } = lowering.pictures(shape, parts);
  const [desc, other] = [picture(from), picture(gradient)];
  const products = plan.place(desc);
  const multiply = { primitive: "binary", algorithm: "mul", src: desc, operand: other, dst: desc } as const;
  const product = api.primitive(name, multiply);
  const means = plan.place(plan.describe([shape[0]!, shape[1]!, 1, 1], desc.type, "channelsLast"));
  const mean = api.primitive(name, meanOverPositions(desc, gate(means)));
  for (let i = 0; i < count; i++) {
    const reads = { [Arg.src]: plan.part(from, desc, i), [Arg.operand]: plan.part(gradient, other, i) };
    plan.run(name, product, reads, { [Arg.dst]: products });
    plan.run(name, mean, { [Arg.src]: products }, { [Arg.dst]: plan.part(means, gate(means), i) });
  }
  const sums = lowering.make(node.outputs[0]!);
  const alpha = shape[2]! * shape[3]!;
  const times = { primitive: "eltwise", pass: "forward", algorithm: "linear", data: sums.desc, alpha } as const;
  plan.run(name, api.primitive(name, times), { [Arg.src]: plan.as(means, sums.desc) }, { [Arg.dst]: sums });
}

/** Into how many equal parts a batch is divided so that each has at most `most` bytes, or one picture. */
function partsWithin(most: number, batch: number, bytes: number): number {
  let parts = Math.min(batch, Math.ceil(bytes / most));
  while (batch % parts !== 0) parts++;
  return parts;
}

export const concat: Rule<"concat"> = (lowering, node) => {
  const { plan, api } = lowering;
  const [output] = node.outputs as [Value];
  const starts: number[] = [0];
  for (const input of node.inputs.slice(0, -1)) starts.push(starts.at(-1)! + input.type.shape[1]!);
  // A part of a blocked value must start at a block; row-major it may start anywhere.
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

/** Whether any part starts within a block. */
const splitsBlocks = ({ plan }: Lowering, whole: Value, starts: readonly number[]): boolean =>
  plan.layoutOf(whole.type.shape).startsWith("blocked") && starts.some((start) => start % plan.block! !== 0);
