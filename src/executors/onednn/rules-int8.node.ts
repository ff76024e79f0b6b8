/** Eight-bit layers, with channels last: the library's eight-bit code uses that layout. */

import type { Value } from "../../ir/graph.ts";
import { pairOf } from "../../ir/window.ts";
import { sizeOf } from "../../tensor.ts";
import { mergeGroups } from "./groups.ts";
import type { Lowering, Rule } from "./lowering.node.ts";
import type { Arguments, Place } from "./plan.node.ts";
import { groupingOf, windowOf } from "./rules-conv.node.ts";
import { poolWindow } from "./rules-pool.node.ts";
import { Arg, type Desc, type PostOp, Query, type Scales, type Spec } from "./spec.ts";

export const quantize: Rule<"quantize"> = (lowering, node) => {
  const x = lowering.place(node.inputs[0]!);
  reorder(lowering, node.name, x, lowering.make(node.outputs[0]!), { dst: node.attrs.scale });
};

export const dequantize: Rule<"dequantize"> = (lowering, node) => {
  const q = lowering.place(node.inputs[0]!);
  reorder(lowering, node.name, q, lowering.make(node.outputs[0]!), { src: node.attrs.scale });
};

/** For a layer that is computed in float32 after all. */
export const dequantizeWeight: Rule<"dequantizeWeight"> = (lowering, node) => {
  const [w, scale] = node.inputs as [Value, Value];
  const factors = lowering.constant(scale);
  const whole = lowering.constant(w);
  const row = whole.length / factors.length;
  const data = Float32Array.from(whole, (value, i) => value * factors[Math.floor(i / row)]!);
  lowering.set(node.outputs[0]!, lowering.plan.fixed(lowering.plan.describe(w.type.shape, "f32", "plain"), data));
};

export const conv2dInt8: Rule<"conv2dInt8"> = (lowering, node) => {
  const { plan } = lowering;
  const [x, w] = node.inputs as [Value, Value];
  const grouping = groupingOf(lowering, w.type.shape, node.attrs.groups);
  const src = lowering.get(x);
  const dst = channelsLast(lowering, node.outputs[0]!);
  weighted(
    lowering,
    node,
    src,
    dst,
    grouping.dims,
    (parts) => ({
      primitive: "convolution",
      pass: "inference",
      window: windowOf(node.attrs),
      ...parts,
      weights: plan.describe(grouping.dims, "s8", "any"),
    }),
    () => {
      const data = lowering.constant(w);
      if (grouping.merged === undefined) return data;
      return mergeGroups(grouping.merged, data, new Int8Array(sizeOf(grouping.dims)));
    },
  );
};

export const linearInt8: Rule<"linearInt8"> = (lowering, node) => {
  const { plan } = lowering;
  const [x, w] = node.inputs as [Value, Value];
  const dims = w.type.shape;
  const dst = lowering.make(node.outputs[0]!);
  weighted(
    lowering,
    node,
    lowering.get(x),
    dst,
    dims,
    (parts) => ({
      primitive: "innerProduct",
      pass: "inference",
      ...parts,
      weights: plan.describe(dims, "s8", "any"),
    }),
    () => lowering.constant(w),
  );
};

type WeightedSpec = Extract<Spec, { primitive: "convolution" | "innerProduct" }>;

/**
 * The common part of convolutions and linear layers: scales per output channel, bias, and weights in the primitive's
 * layout.
 */
function weighted(
  lowering: Lowering,
  node: Parameters<Rule<"conv2dInt8" | "linearInt8">>[1],
  src: Place,
  dst: Place,
  dims: readonly number[],
  specOf: (parts: Pick<WeightedSpec, "src" | "dst" | "bias" | "postOps" | "scales">) => WeightedSpec,
  data: () => ArrayBufferView,
): void {
  const { plan, api } = lowering;
  const { name, attrs, activation } = node;
  const [, , scale, b] = node.inputs as [Value, Value, Value, Value?];
  const scales: Scales = {
    src: attrs.src,
    weights: lowering.constant(scale) as Float32Array,
    ...(attrs.dst !== undefined && { dst: attrs.dst }),
  };
  const given = b && (lowering.constant(b) as Float32Array);
  const bias = b && plan.fixed(plan.describe(b.type.shape, "f32", "plain"), api.scaledBias(given!, scales));
  const postOps: PostOp[] = activation === undefined ? [] : [{ kind: activation }];
  const spec = specOf({ src: src.desc, dst: dst.desc, bias: bias?.desc, postOps, scales });
  const primitive = api.primitive(name, spec);
  const wanted = api.query(primitive, Query.weights, { dims, type: "s8" })!;
  const rows = plan.fixed(plan.describe(dims, "s8", "plain"), data());
  const weights = plan.fixed(wanted);
  const into = api.primitive(name, { primitive: "reorder", src: rows.desc, dst: wanted });
  plan.aside("load", name, into, { [Arg.src]: rows }, { [Arg.dst]: weights });
  const reads = { [Arg.src]: src, [Arg.weights]: weights, [Arg.bias]: bias, ...lowering.scaleArguments(scales) };
  plan.run(name, primitive, reads, { [Arg.dst]: dst });
}

/** `gate · q (+ sum)` and a ReLU in one pass, sample by sample, so that a gate is a factor per channel. */
export const scaleInt8: Rule<"scaleInt8"> = (lowering, node) => {
  const { plan, api } = lowering;
  const [gate, q] = node.inputs as [Value, Value];
  const [batch, channels, height, width] = q.type.shape as [number, number, number, number];
  const whole = { src: lowering.get(q), sum: node.sum && lowering.get(node.sum), gate: lowering.plain(gate) };
  const dst = channelsLast(lowering, node.outputs[0]!);
  const one = (place: Place): Desc => plan.describe([1, channels, height, width], place.desc.type, "channelsLast");
  const operand = plan.describe([1, channels, 1, 1], "f32", "channelsLast");
  const { scales, postOps } = summed(node, whole.sum && one(whole.sum));
  const primitive = api.primitive(node.name, {
    primitive: "binary",
    algorithm: "mul",
    src: one(whole.src),
    operand,
    dst: one(dst),
    postOps,
    scales,
  });
  for (let n = 0; n < batch; n++) {
    const sample = (place: Place, desc: Desc = one(place)) => plan.part(place, desc, n);
    const reads = {
      [Arg.src]: sample(whole.src),
      [Arg.operand]: sample(whole.gate, operand),
      [api.postOpArg(0)]: whole.sum && sample(whole.sum),
      ...lowering.scaleArguments(scales),
    };
    plan.run(node.name, primitive, reads, { [Arg.dst]: sample(dst) });
  }
};

/** A shortcut without a gate. */
export const addInt8: Rule<"addInt8"> = (lowering, node) => {
  const { plan, api } = lowering;
  const src = lowering.get(node.inputs[0]!);
  const sum = lowering.get(node.sum!);
  const dst = channelsLast(lowering, node.outputs[0]!);
  const { scales, postOps } = summed(node, undefined);
  const primitive = api.primitive(node.name, {
    primitive: "binary",
    algorithm: "add",
    src: src.desc,
    operand: sum.desc,
    dst: dst.desc,
    postOps,
    scales,
  });
  const reads: Arguments = { [Arg.src]: src, [Arg.operand]: sum, ...lowering.scaleArguments(scales) };
  plan.run(node.name, primitive, reads, { [Arg.dst]: dst });
};

/**
 * The sum is computed in units of the second summand, which then needs no factor: the library has none for operands of
 * post-operations.
 */
function summed({ attrs, activation }: Parameters<Rule<"scaleInt8" | "addInt8">>[1], added: Desc | undefined) {
  const { src, sum = attrs.dst ?? 1, dst = 1 } = attrs;
  const postOps: PostOp[] = [
    ...(added === undefined ? [] : [{ kind: "add", operand: added } as const]),
    ...(sum === dst ? [] : [{ kind: "linear", alpha: sum / dst, beta: 0 } as const]),
    ...(activation === undefined ? [] : [{ kind: activation }]),
  ];
  return { scales: { src: src / sum }, postOps };
}

export const maxPoolInt8: Rule<"maxPoolInt8"> = (lowering, node) => {
  const [x, y] = [node.inputs[0]!, node.outputs[0]!];
  const src = lowering.get(x);
  const dst = lowering.make(y);
  const primitive = lowering.api.primitive(node.name, {
    primitive: "pooling",
    pass: "inference",
    algorithm: "max",
    src: src.desc,
    dst: dst.desc,
    kernel: pairOf(node.attrs.kernel),
    window: poolWindow(node.attrs, x.type.shape, y.type.shape),
  });
  lowering.plan.run(node.name, primitive, { [Arg.src]: src }, { [Arg.dst]: dst });
};

/** The squeeze as a product with a row of ones: the library's pooling would round the means to eight bits. */
export const meanInt8: Rule<"meanInt8"> = (lowering, node) => {
  const { plan, api } = lowering;
  const x = node.inputs[0]!;
  const [batch, channels, height, width] = x.type.shape as [number, number, number, number];
  const positions = height * width;
  const picture = lowering.get(x);
  const weights = plan.as(picture, plan.describe([batch, positions, channels], picture.desc.type, "plain"));
  const ones = plan.describe([batch, 1, positions], "u8", "plain");
  const src = plan.fixed(ones, new Uint8Array(batch * positions).fill(1));
  const dst = lowering.makePlain(node.outputs[0]!);
  const means = plan.as(dst, plan.describe([batch, 1, channels], "f32", "plain"));
  const scales = { src: node.attrs.src / positions };
  const primitive = api.primitive(node.name, {
    primitive: "matrix product",
    src: src.desc,
    weights: weights.desc,
    dst: means.desc,
    scales,
  });
  const reads = { [Arg.src]: src, [Arg.weights]: weights, ...lowering.scaleArguments(scales) };
  plan.run(node.name, primitive, reads, { [Arg.dst]: means });
};

/** Allocates a result in eight bits, or float32 in the same layout. */
function channelsLast(lowering: Lowering, value: Value): Place {
  if (value.type.dtype !== "float32") return lowering.make(value);
  return lowering.set(value, lowering.plan.place(lowering.plan.describe(value.type.shape, "f32", "channelsLast")));
}

function reorder(lowering: Lowering, name: string, from: Place, into: Place, scales: Scales): void {
  const { plan, api } = lowering;
  const primitive = api.primitive(name, { primitive: "reorder", src: from.desc, dst: into.desc, scales });
  plan.run(name, primitive, { [Arg.src]: from, ...lowering.scaleArguments(scales) }, { [Arg.dst]: into });
}
