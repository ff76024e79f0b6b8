/** Fully connected layers, including 1×1 convolutions of a single position. */

import type { Value } from "../../ir/graph.ts";
import type { FusedNode } from "./fused.ts";
import { splitGroups } from "./groups.ts";
import { type Lowering, postOpsOf, type Rule } from "./lowering.node.ts";
import type { Arguments, Place } from "./plan.node.ts";
import { Arg, type ElementType, meanOverPositions, Query } from "./spec.ts";
import type { Target, WeightGradient } from "./target.node.ts";

/** `x [N,I] · w [O,I] + b`, followed by the activation. */
export const linear: Rule<"linear"> = (lowering, node) => {
  const { plan, api } = lowering;
  const { name } = node;
  const [x, w, b] = node.inputs as [Value, Value, Value?];
  const output = node.outputs[0]!;
  const type = lowering.typeOf(x.type.shape);
  const src = flat(lowering, lowering.get(x), x);
  const dims = [w.type.shape[0]!, w.type.shape[1]!];
  const dst = flat(lowering, lowering.make(output), output);
  const bias = b && lowering.plain(b);
  const primitive = api.primitive(name, {
    primitive: "innerProduct",
    pass: "forward",
    src: src.desc,
    weights: plan.describe(dims, type, "any"),
    bias: bias?.desc,
    dst: dst.desc,
    postOps: postOpsOf(node),
  });
  const weights = lowering.weight(name, w, { dims }, api.query(primitive, Query.weights, { dims, type })!);
  const reads = { [Arg.src]: src, [Arg.weights]: weights, [Arg.bias]: bias };
  plan.run(name, primitive, reads, { [Arg.dst]: dst });
};

export const linearBackwardInput: Rule<"linearBackwardInput"> = (lowering, node) => {
  const { plan, api } = lowering;
  const { name } = node;
  const [dy, w] = node.inputs as [Value, Value];
  const output = node.outputs[0]!;
  const type = lowering.typeOf(output.type.shape);
  const diffDst = flat(lowering, lowering.get(dy), dy);
  const diffSrc = flat(lowering, lowering.make(output), output);
  const dims = [w.type.shape[0]!, w.type.shape[1]!];
  const wanted = plan.describe(dims, type, "any");
  const spec = { primitive: "innerProduct", src: diffSrc.desc, weights: wanted, dst: diffDst.desc } as const;
  const hint = api.primitive(name, { ...spec, pass: "forward" });
  const primitive = api.primitive(name, { ...spec, pass: "backwardData" }, hint);
  const weights = lowering.weight(name, w, { dims }, api.query(primitive, Query.weights, { dims, type })!);
  plan.run(name, primitive, { [Arg.diffDst]: diffDst, [Arg.weights]: weights }, { [Arg.diffSrc]: diffSrc });
};

export const linearBackwardWeight: Rule<"linearBackwardWeight"> = (lowering, node) => {
  const [x, dy] = node.inputs as [Value, Value];
  const reads = {
    [Arg.src]: flat(lowering, lowering.get(x), x),
    [Arg.diffDst]: flat(lowering, lowering.get(dy), dy),
  };
  runWeightGradient(lowering, node, lowering.prepared.gradients.get(node)!, reads);
};

export function linearGradient(target: Target, node: FusedNode<"linearBackwardWeight">): WeightGradient {
  const { plan, api } = target;
  const { name } = node;
  const [x, dy] = node.inputs as [Value, Value];
  const [output, bias] = node.outputs as [Value, Value?];
  const [out, input] = output.type.shape as [number, number];
  const dims = [out, input];
  const type = target.typeOf(x.type.shape);
  const spec = {
    primitive: "innerProduct",
    src: plan.describe([x.type.shape[0]!, input], type, "plain"),
    weights: plan.describe(dims, "f32", "any"),
    bias: bias && plan.describe(bias.type.shape, "f32", "plain"),
    dst: plan.describe([dy.type.shape[0]!, out], target.typeOf(dy.type.shape), "plain"),
  } as const;
  const hint = api.primitive(name, { ...spec, weights: plan.describe(dims, type, "any"), pass: "forward" });
  const primitive = api.primitive(name, { ...spec, pass: "backwardWeights" }, hint);
  return { primitive, desc: api.query(primitive, Query.diffWeights, { dims, type: "f32" })! };
}

/** Writes a weight gradient to its permanent place in training; otherwise row-major with groups split. */
export function runWeightGradient(
  lowering: Lowering,
  node: FusedNode<"linearBackwardWeight"> | FusedNode<"conv2dBackwardWeight">,
  { primitive, desc: has, merged }: WeightGradient,
  reads: Arguments,
): void {
  const { plan, api, masters } = lowering;
  const { name } = node;
  const [output, bias] = node.outputs as [Value, Value?];
  const run = (into: Place) => {
    const diffBias = bias && lowering.makePlain(bias);
    plan.run(name, primitive, reads, { [Arg.diffWeights]: into, [Arg.diffBias]: diffBias });
  };
  const master = masters?.ofGradient(output);
  if (master !== undefined && api.isEqual(master.form.desc, has)) {
    run(lowering.set(output, master.gradient));
    masters!.mask(name, master);
    return;
  }
  const plain = plan.describe(has.dims, "f32", "plain");
  const result = lowering.makePlain(output);
  const whole = merged === undefined ? plan.as(result, plain) : plan.place(plain);
  if (api.isEqual(has, plain)) run(whole);
  else {
    const into = plan.place(has);
    run(into);
    plan.copyWeight(name, into, whole);
  }
  if (merged === undefined) return;
  const [from, into] = [plan.array(whole), plan.array(result)];
  plan.host(name, [whole], [result], () => splitGroups(merged, from.data, into.data));
}

/** For channel sums that no weight gradient included: the mean over positions by pooling, the rest here. */
export const channelSum: Rule<"channelSum"> = (lowering, node) => {
  const { plan, api } = lowering;
  const input = node.inputs[0]!;
  const [batch, channels, height = 1, width = 1] = input.type.shape as [number, number, number?, number?];
  let means = lowering.plain(input);
  if (height * width > 1) {
    const src = lowering.get(input);
    const type: ElementType = src.desc.type;
    const dims = [batch, channels, 1, 1];
    const pooled = plan.place(plan.describe(dims, type, plan.layoutOf(input.type.shape)));
    const primitive = api.primitive(node.name, meanOverPositions(src.desc, pooled.desc));
    plan.run(node.name, primitive, { [Arg.src]: src }, { [Arg.dst]: pooled });
    means = plan.reordered(node.name, pooled, plan.describe(dims, "f32", "plain"));
  }
  const sums = lowering.makePlain(node.outputs[0]!);
  const [from, into] = [plan.array(means), plan.array(sums)];
  plan.host(node.name, [means], [sums], () => {
    into.data.fill(0);
    for (let i = 0; i < from.data.length; i++) into.data[i % channels]! += from.data[i]! * height * width;
  });
};

/** `[N,C,1,1]` and `[N,C]` are the same memory. */
function flat({ plan }: Lowering, place: Place, { type: { shape } }: Value): Place {
  return plan.as(place, plan.describe([shape[0]!, shape[1]!], place.desc.type, "plain"));
}
