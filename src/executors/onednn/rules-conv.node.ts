/** Convolutions, with weights in the layouts that their primitives choose. */

import type { Value } from "../../ir/graph.ts";
import type { ConvAttrs } from "../../ir/ops.ts";
import { convAxes, pairOf, sidesOf } from "../../ir/window.ts";
import type { Shape } from "../../tensor.ts";
import { gradeOf, type Primitive } from "./api.node.ts";
import type { FusedNode } from "./fused.ts";
import { type Grouping, type Lowering, postOpsOf, type Rule } from "./lowering.node.ts";
import { runWeightGradient } from "./rules-linear.node.ts";
import { Arg, type Desc, Query, type Spec, type Window } from "./spec.ts";
import type { Target, WeightGradient } from "./target.node.ts";

export function windowOf({ stride, pad }: ConvAttrs): Window {
  const { top, left, bottom, right } = sidesOf(pad);
  return { strides: pairOf(stride), padLow: [top, left], padHigh: [bottom, right] };
}

/**
 * Groups with few channels have no fast code. Merging several into a group of a whole block, padded with zeros, costs
 * more arithmetic but is faster (SE-ResNeXt's groups of 4 and 8 channels).
 */
export function groupingOf({ plan }: Target, shape: Shape, groups: number): Grouping {
  const [out, inOfGroup, height, width] = shape as [number, number, number, number];
  if (groups === 1) return { dims: shape };
  const { block } = plan;
  const merge = block === undefined ? 1 : Math.max(1, block / inOfGroup);
  const canMerge = Number.isInteger(merge) && groups % merge === 0 && ((out / groups) * merge) % (block ?? 1) === 0;
  if (merge === 1 || !canMerge) return { dims: [groups, out / groups, inOfGroup, height, width] };
  return {
    dims: [groups / merge, (out / groups) * merge, inOfGroup * merge, height, width],
    merged: { out, groups, merge, row: inOfGroup * height * width },
  };
}

/** Row-major pictures, such as those with three channels, are converted to whatever layout the primitive chooses. */
function activation(target: Target, shape: Shape) {
  return target.plan.layoutOf(shape) === "plain"
    ? target.plan.describe(shape, target.typeOf(shape), "any")
    : target.descOf(shape);
}

export const conv2d: Rule<"conv2d"> = (lowering, node) => {
  const [x, w, b] = node.inputs;
  const output = node.outputs[0]!;
  const { plan, api } = lowering;
  const type = lowering.typeOf(x!.type.shape);
  const grouping = groupingOf(lowering, w!.type.shape, node.attrs.groups);
  const bias = b && lowering.plain(b);
  const sum = node.sum && lowering.get(node.sum);
  const postOps = postOpsOf(node, sum?.desc);
  if (bias === undefined && postOps.length === 0 && turnedConvolution(lowering, node)) return;
  const primitive = convolution(lowering, node.name, {
    pass: lowering.isOnce(w!) ? "inference" : "forward",
    src: activation(lowering, x!.type.shape),
    weights: plan.describe(grouping.dims, type, "any"),
    bias: bias?.desc,
    dst: activation(lowering, output.type.shape),
    window: windowOf(node.attrs),
    postOps,
  });
  const has = { dims: grouping.dims, type };
  const weights = lowering.weight(node.name, w!, grouping, api.query(primitive, Query.weights, has)!);
  const wanted = api.query(primitive, Query.src, { dims: x!.type.shape, type })!;
  const src = plan.reordered(node.name, lowering.place(x!), wanted);
  const reads = { [Arg.src]: src, [Arg.weights]: weights, [Arg.bias]: bias, [api.postOpArg(0)]: sum };
  const result = api.query(primitive, Query.dst, { dims: output.type.shape, type })!;
  lowering.writes(node.name, result, output, (dst) => plan.run(node.name, primitive, reads, { [Arg.dst]: dst }));
};

/**
 * Computes a convolution as the input gradient of the reverse convolution with reversed taps: the same numbers, and a
 * quarter faster in the library if all of the output is one block of channels (docs/log.md).
 * @returns whether this applies
 */
function turnedConvolution(lowering: Lowering, node: FusedNode<"conv2d">): boolean {
  const { plan, api, type } = lowering;
  const { attrs, name } = node;
  const [x, w] = node.inputs as [Value, Value];
  const [out, input, height, width] = w.type.shape as [number, number, number, number];
  const isSymmetric =
    height === width &&
    height > 1 &&
    convAxes(attrs, w.type.shape).every(
      ({ kernel, stride, before, after }) => stride === 1 && before === after && kernel === 2 * before + 1,
    );
  const isOneBlock = out === 16 && plan.layoutOf(node.outputs[0]!.type.shape) === "blocked16";
  const isServed = type === "f32" && attrs.groups === 1 && plan.layoutOf(x.type.shape) === "blocked16";
  if (!isOneBlock || !isSymmetric || !isServed) return false;
  const [dy, dx] = [lowering.descOf(x.type.shape), lowering.descOf(node.outputs[0]!.type.shape)];
  const turned = plan.describe([input, out, height, width], "f32", "weights16Backward");
  const other = { primitive: "convolution", src: dx, weights: turned, dst: dy, window: windowOf(attrs) } as const;
  const hint = api.primitive(name, { ...other, weights: plan.describe(turned.dims, "f32", "any"), pass: "forward" });
  const primitive = api.primitiveIfServed(name, { ...other, pass: "backwardData" }, hint);
  if (primitive === undefined) return false;
  const weights = lowering.turnedWeight(name, w, turned);
  const dst = lowering.make(node.outputs[0]!);
  plan.run(name, primitive, { [Arg.diffDst]: lowering.get(x), [Arg.weights]: weights }, { [Arg.diffSrc]: dst });
  return true;
}

type ConvolutionSpec = Omit<Extract<Spec, { primitive: "convolution" }>, "primitive" | "algorithm">;

/** Uses Winograd's algorithm if it is faster and available, otherwise the direct one. */
function convolution(target: Target, name: string, spec: ConvolutionSpec): Primitive {
  const { api, plan } = target;
  const by = (algorithm: "direct" | "winograd") => ({ primitive: "convolution", algorithm, ...spec }) as const;
  /** The forward primitive that backward ones need; unlike their gradient, its weights have the activations' type. */
  const forward = (algorithm: "direct" | "winograd"): Spec => {
    return { ...by(algorithm), pass: "forward", weights: plan.describe(spec.weights.dims, spec.src.type, "any") };
  };
  const isBackward = spec.pass === "backwardData" || spec.pass === "backwardWeights";
  if (isForWinograd(spec)) {
    const hint = isBackward ? api.primitiveIfServed(name, forward("winograd")) : undefined;
    const fast = isBackward && hint === undefined ? undefined : api.primitiveIfServed(name, by("winograd"), hint);
    if (fast !== undefined) return fast;
  }
  const direct = api.primitive(name, by("direct"), isBackward ? api.primitive(name, forward("direct")) : undefined);
  const grade = gradeOf(api.implementation(direct));
  if (grade === api.bestGrade(spec.src.type) || spec.postOps?.some((op) => "operand" in op)) return direct;
  const free = freely(target, name, spec);
  return free !== undefined && gradeOf(api.implementation(free)) > grade ? free : direct;
}

/**
 * Lets the primitive choose the pictures' layouts, if the library has only reference code for the plan's: that is a
 * hundred times slower than converting. This happens for the first convolution with channels last.
 */
function freely({ api, plan }: Target, name: string, spec: ConvolutionSpec): Primitive | undefined {
  const any = ({ dims, type }: Desc) => plan.describe(dims, type, "any");
  const free = { primitive: "convolution", ...spec, src: any(spec.src), dst: any(spec.dst) } as const;
  const forward: Spec = { ...free, pass: "forward", weights: plan.describe(spec.weights.dims, spec.src.type, "any") };
  const isForward = spec.pass === "forward" || spec.pass === "inference";
  const hint = isForward ? undefined : api.primitiveIfServed(name, forward);
  return !isForward && hint === undefined ? undefined : api.primitiveIfServed(name, free, hint);
}

/** Fewest channels for Winograd: with 16, the transforms cost as much as they save (docs/log.md). */
const winogradChannels = 32;
/**
 * Fewest positions for Winograd: with fewer, transforming the weights in each run, or (for `inference`) reading
 * transformed weights that do not fit into a cache, costs more than it saves.
 */
const winogradPositions = 512;
/** Side of the output of one 6 × 6 tile. */
const winogradTile = 4;
/** Bytes of transformed weights that still fit into a cache. */
const cachedWeights = 2 ** 24;

function isForWinograd({ pass, src, dst, weights, window }: ConvolutionSpec): boolean {
  const [out, input, height, width] = weights.dims as [number, number, number, number];
  const [batch, , rows, columns] = dst.dims as [number, number, number, number];
  const transformed = out * input * (winogradTile + 2) ** 2 * 4;
  const isReady = pass === "inference" && transformed <= cachedWeights && Math.min(rows, columns) >= winogradTile;
  if (!isReady && batch * rows * columns < winogradPositions) return false;
  const isOfWindow = weights.dims.length === 4 && height === 3 && width === 3 && window.strides.every((s) => s === 1);
  return isOfWindow && src.type === "f32" && Math.min(out, input) >= winogradChannels;
}

export const conv2dBackwardInput: Rule<"conv2dBackwardInput"> = (lowering, node) => {
  const [dy, w] = node.inputs as [Value, Value];
  const output = node.outputs[0]!;
  const { attrs } = node;
  const { plan, api } = lowering;
  const grouping = groupingOf(lowering, w.type.shape, attrs.groups);
  const type = lowering.typeOf(attrs.inputShape);
  const primitive = convolution(lowering, node.name, {
    pass: "backwardData",
    src: activation(lowering, attrs.inputShape),
    weights: plan.describe(grouping.dims, type, "any"),
    dst: activation(lowering, dy.type.shape),
    window: windowOf(attrs),
  });
  const has = { dims: grouping.dims, type };
  const weights = lowering.weight(node.name, w, grouping, api.query(primitive, Query.weights, has)!);
  const wanted = api.query(primitive, Query.diffDst, { dims: dy.type.shape, type })!;
  const diffDst = plan.reordered(node.name, lowering.place(dy), wanted);
  const result = api.query(primitive, Query.diffSrc, { dims: attrs.inputShape, type })!;
  lowering.writes(node.name, result, output, (diffSrc) =>
    plan.run(node.name, primitive, { [Arg.diffDst]: diffDst, [Arg.weights]: weights }, { [Arg.diffSrc]: diffSrc }),
  );
};

export const conv2dBackwardWeight: Rule<"conv2dBackwardWeight"> = (lowering, node) => {
  const [x, dy] = node.inputs as [Value, Value];
  const backward = lowering.prepared.gradients.get(node)!;
  const { plan, api } = lowering;
  const type = lowering.typeOf(x.type.shape);
  const wanted = (what: number, value: Value) => api.query(backward.primitive, what, { dims: value.type.shape, type })!;
  const src = plan.reordered(node.name, lowering.place(x), wanted(Query.src, x));
  const diffDst = plan.reordered(node.name, lowering.place(dy), wanted(Query.diffDst, dy));
  runWeightGradient(lowering, node, backward, { [Arg.src]: src, [Arg.diffDst]: diffDst });
};

export function convolutionGradient(target: Target, node: FusedNode<"conv2dBackwardWeight">): WeightGradient {
  const { plan, api } = target;
  const [x, dy] = node.inputs as [Value, Value];
  const bias = node.outputs[1];
  const { attrs } = node;
  const { dims, ...groups } = groupingOf(target, attrs.weightShape, attrs.groups);
  const primitive = convolution(target, node.name, {
    pass: "backwardWeights",
    src: activation(target, x.type.shape),
    weights: plan.describe(dims, "f32", "any"),
    bias: bias && plan.describe(bias.type.shape, "f32", "plain"),
    dst: activation(target, dy.type.shape),
    window: windowOf(attrs),
  });
  return { primitive, desc: api.query(primitive, Query.diffWeights, { dims, type: "f32" })!, ...groups };
}
