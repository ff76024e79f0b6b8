/** Convolutions, in the layouts that their primitives choose for the weights. */

import type { Node, Value } from "../../ir/graph.ts";
import type { ConvAttrs } from "../../ir/ops.ts";
import type { Shape } from "../../tensor.ts";
import type { Primitive } from "./api.node.ts";
import type { Grouping, Lowering, Rule } from "./lowering.node.ts";
import type { Place } from "./plan.node.ts";
import {
  biasGradient,
  gradientBy,
  innerProduct,
  innerProductBackwardInput,
  innerProductGradient,
  runInnerProductBackwardWeight,
  runWeightGradient,
  type WeightGradient,
} from "./rules-linear.node.ts";
import { Arg, type PostOp, Query, type Spec, type Window } from "./spec.ts";

/** A 1×1 convolution of a single position is a fully connected layer. */
function isInnerProduct(picture: Shape, kernel: Shape, { pad, groups }: ConvAttrs): boolean {
  return groups === 1 && pad === 0 && [...picture.slice(2), ...kernel.slice(2)].every((extent) => extent === 1);
}

const windowOf = ({ stride, pad }: ConvAttrs): Window => ({
  strides: [stride, stride],
  padLow: [pad, pad],
  padHigh: [pad, pad],
});

/**
 * Groups of a few channels have no fast code. Several of them in one group of a whole block, with zeros between, do
 * more arithmetic and are faster (SE-ResNeXt's groups of 4 and 8 channels).
 */
function groupingOf(lowering: Lowering, shape: Shape, groups: number): Grouping {
  const [out, inOfGroup, height, width] = shape as [number, number, number, number];
  if (groups === 1) return { dims: shape };
  const { block } = lowering.plan;
  const merge = block === undefined ? 1 : Math.max(1, block / inOfGroup);
  const canMerge = Number.isInteger(merge) && groups % merge === 0 && ((out / groups) * merge) % (block ?? 1) === 0;
  if (merge === 1 || !canMerge) return { dims: [groups, out / groups, inOfGroup, height, width] };
  return {
    dims: [groups / merge, (out / groups) * merge, inOfGroup * merge, height, width],
    merged: { out, groups, merge, row: inOfGroup * height * width },
  };
}

/** Row-major pictures, such as those of three channels, go in and out in whatever layout the primitive likes. */
function activation(lowering: Lowering, shape: Shape) {
  const type = lowering.typeOf(shape);
  return lowering.plan.layoutOf(shape) === "plain"
    ? lowering.plan.describe(shape, type, "any")
    : lowering.descOf(shape, type);
}

export const conv2d: Rule<"conv2d"> = (lowering, node) => {
  const [x, w, b] = node.inputs;
  const output = node.outputs[0]!;
  if (isInnerProduct(x!.type.shape, w!.type.shape, node.attrs)) {
    innerProduct(lowering, node.name, x!, w!, b, output);
    return;
  }
  const { plan, api } = lowering;
  const type = lowering.typeOf(x!.type.shape);
  const grouping = groupingOf(lowering, w!.type.shape, node.attrs.groups);
  const bias = b && lowering.plain(b);
  const behind = whatFollows(lowering, output);
  if (bias === undefined && behind.postOps.length === 0 && turnedConvolution(lowering, node)) return;
  const primitive = convolution(lowering, node.name, {
    pass: "forward",
    src: activation(lowering, x!.type.shape),
    weights: plan.describe(grouping.dims, type, "any"),
    bias: bias?.desc,
    dst: activation(lowering, output.type.shape),
    window: windowOf(node.attrs),
    postOps: behind.postOps,
  });
  const has = { dims: grouping.dims, type };
  const weights = lowering.weight(node.name, w!, grouping, api.query(primitive, Query.weights, has)!);
  const wanted = api.query(primitive, Query.src, { dims: x!.type.shape, type })!;
  const src = plan.reordered(node.name, lowering.place(x!), wanted);
  const reads = { [Arg.src]: src, [Arg.weights]: weights, [Arg.bias]: bias, [api.postOpArg(0)]: behind.shortcut };
  const result = api.query(primitive, Query.dst, { dims: output.type.shape, type })!;
  lowering.writes(node.name, result, behind.result, (dst) => plan.run(node.name, primitive, reads, { [Arg.dst]: dst }));
};

/**
 * A convolution as the gradient of another one, that goes the other way and has its taps turned round: the same numbers,
 * and where all of the output is one block of channels the library's code for gradients is a quarter faster (docs/log.md).
 * @returns whether it is so here
 */
function turnedConvolution(lowering: Lowering, node: Node<"conv2d">): boolean {
  const { plan, api, options } = lowering;
  const { attrs, name } = node;
  const [x, w] = node.inputs as [Value, Value];
  const [out, input, height, width] = w.type.shape as [number, number, number, number];
  const isSymmetric = attrs.stride === 1 && height === width && height === 2 * attrs.pad + 1 && height > 1;
  const isOneBlock = plan.block === 16 && options.type === "f32" && attrs.groups === 1 && out === 16;
  if (!isOneBlock || !isSymmetric || plan.layoutOf(x.type.shape) === "plain") return false;
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

/** What is done to a convolution's result on the way: the sum with a shortcut that is there already, the activation. */
function whatFollows(
  lowering: Lowering,
  output: Value,
): { readonly postOps: readonly PostOp[]; readonly shortcut?: Place; readonly result: Value } {
  const { fusion, done } = lowering;
  const sum = fusion.onlyUser(output, "add");
  const other = sum?.inputs.find((input) => input !== output);
  const isThere =
    other !== undefined && lowering.isPlaced(other) && lowering.plan.layoutOf(output.type.shape) !== "plain";
  const shortcut = isThere ? lowering.get(other) : undefined;
  if (shortcut !== undefined) done.add(sum!);
  const summed = shortcut === undefined ? output : sum!.outputs[0]!;
  const activation = fusion.activation(summed);
  if (activation !== undefined) done.add(activation.node);
  const postOps: PostOp[] = [];
  if (shortcut !== undefined) postOps.push({ kind: "add", operand: shortcut.desc });
  if (activation !== undefined) postOps.push({ kind: activation.kind });
  return { postOps, ...(shortcut && { shortcut }), result: activation?.node.outputs[0] ?? summed };
}

type ConvolutionSpec = Omit<Extract<Spec, { primitive: "convolution" }>, "primitive" | "algorithm">;

/** By Winograd's algorithm where that is faster and the library has it, else directly. */
function convolution({ api, plan }: Lowering, name: string, spec: ConvolutionSpec): Primitive {
  const by = (algorithm: "direct" | "winograd") => ({ primitive: "convolution", algorithm, ...spec }) as const;
  /** The forward primitive that backward ones ask for; its weights are of the activations' type, unlike their gradient. */
  const forward = (algorithm: "direct" | "winograd"): Spec => {
    return { ...by(algorithm), pass: "forward", weights: plan.describe(spec.weights.dims, spec.src.type, "any") };
  };
  const isBackward = spec.pass !== "forward";
  if (isForWinograd(spec)) {
    const hint = isBackward ? api.primitiveIfServed(name, forward("winograd")) : undefined;
    const fast = isBackward && hint === undefined ? undefined : api.primitiveIfServed(name, by("winograd"), hint);
    if (fast !== undefined) return fast;
  }
  return api.primitive(name, by("direct"), isBackward ? api.primitive(name, forward("direct")) : undefined);
}

/** With 16 channels the transforms cost what the products save (docs/log.md). */
const winogradChannels = 32;

function isForWinograd({ src, weights, window }: ConvolutionSpec): boolean {
  const [out, input, height, width] = weights.dims;
  const isOfWindow = weights.dims.length === 4 && height === 3 && width === 3 && window.strides.every((s) => s === 1);
  return isOfWindow && src.type === "f32" && Math.min(out!, input!) >= winogradChannels;
}

export const conv2dBackwardInput: Rule<"conv2dBackwardInput"> = (lowering, node) => {
  const [dy, w] = node.inputs as [Value, Value];
  const output = node.outputs[0]!;
  const { attrs } = node;
  if (isInnerProduct(attrs.inputShape, w.type.shape, attrs)) {
    innerProductBackwardInput(lowering, node.name, dy, w, output);
    return;
  }
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
  const { attrs, name } = node;
  const backward = weightGradient(lowering, node);
  if (isInnerProduct(x.type.shape, attrs.weightShape, attrs)) {
    runInnerProductBackwardWeight(lowering, node, backward);
    return;
  }
  const { plan, api } = lowering;
  const type = lowering.typeOf(x.type.shape);
  const wanted = (what: number, value: Value) => api.query(backward.primitive, what, { dims: value.type.shape, type })!;
  const src = plan.reordered(name, lowering.place(x), wanted(Query.src, x));
  const diffDst = plan.reordered(name, lowering.place(dy), wanted(Query.diffDst, dy));
  runWeightGradient(lowering, node, backward, { [Arg.src]: src, [Arg.diffDst]: diffDst });
};

/** The primitive that makes the gradient of weights, and how it writes it; the same one each time. */
export function weightGradient(lowering: Lowering, node: Node<"conv2dBackwardWeight">): WeightGradient {
  const [x, dy] = node.inputs as [Value, Value];
  const { attrs, name } = node;
  return lowering.once(node, () => {
    if (isInnerProduct(x.type.shape, attrs.weightShape, attrs)) {
      return innerProductGradient(lowering, name, x, dy, attrs.weightShape);
    }
    const { plan } = lowering;
    const grouping = groupingOf(lowering, attrs.weightShape, attrs.groups);
    const bias = biasGradient(lowering, dy);
    const primitive = convolution(lowering, name, {
      pass: "backwardWeights",
      src: activation(lowering, x.type.shape),
      weights: plan.describe(grouping.dims, "f32", "any"),
      bias: bias && plan.describe(bias.outputs[0]!.type.shape, "f32", "plain"),
      dst: activation(lowering, dy.type.shape),
      window: windowOf(attrs),
    });
    return gradientBy(lowering, primitive, grouping, bias);
  });
}
