/** Fully connected layers, and 1×1 convolutions of a single position, which are the same. */

import type { Node, Value } from "../../ir/graph.ts";
import type { Shape } from "../../tensor.ts";
import type { Primitive } from "./api.node.ts";
import { splitGroups } from "./groups.ts";
import type { Grouping, Lowering, Rule } from "./lowering.node.ts";
import type { Form } from "./masters.node.ts";
import type { Arguments, Place } from "./plan.node.ts";
import { Arg, type ElementType, meanOverPositions, type PostOp, Query } from "./spec.ts";

export const linear: Rule<"linear"> = (lowering, node) => {
  const [x, w, b] = node.inputs;
  innerProduct(lowering, node.name, x!, w!, b, node.outputs[0]!);
};

/** `x [N,I] · w [O,I] + b`, and the activation behind it. */
export function innerProduct(
  lowering: Lowering,
  name: string,
  x: Value,
  w: Value,
  b: Value | undefined,
  output: Value,
): void {
  const { plan, api } = lowering;
  const type = lowering.typeOf(x.type.shape);
  const activation = lowering.fusion.activation(output);
  const src = flat(lowering, lowering.get(x), x);
  const dims = [w.type.shape[0]!, w.type.shape[1]!];
  if (activation !== undefined) lowering.done.add(activation.node);
  const dst = flat(lowering, lowering.make(activation?.node.outputs[0] ?? output), output);
  const bias = b && lowering.plain(b);
  const postOps: readonly PostOp[] = activation === undefined ? [] : [{ kind: activation.kind }];
  const primitive = api.primitive(name, {
    primitive: "innerProduct",
    pass: "forward",
    src: src.desc,
    weights: plan.describe(dims, type, "any"),
    bias: bias?.desc,
    dst: dst.desc,
    postOps,
  });
  const weights = lowering.weight(name, w, { dims }, api.query(primitive, Query.weights, { dims, type })!);
  const reads = { [Arg.src]: src, [Arg.weights]: weights, [Arg.bias]: bias };
  plan.run(name, primitive, reads, { [Arg.dst]: dst });
}

export const linearBackwardInput: Rule<"linearBackwardInput"> = (lowering, node) => {
  const [dy, w] = node.inputs;
  innerProductBackwardInput(lowering, node.name, dy!, w!, node.outputs[0]!);
};

export function innerProductBackwardInput(lowering: Lowering, name: string, dy: Value, w: Value, output: Value): void {
  const { plan, api } = lowering;
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
}

export const linearBackwardWeight: Rule<"linearBackwardWeight"> = (lowering, node) => {
  runInnerProductBackwardWeight(lowering, node, linearGradient(lowering, node));
};

/** How the gradient of weights is made: the primitive, the bias's gradient that comes with it, and what it writes. */
export interface WeightGradient extends Form {
  readonly primitive: Primitive;
  readonly bias: Node<"channelSum"> | undefined;
}

export function gradientBy(
  { api }: Lowering,
  primitive: Primitive,
  { dims, merged }: Grouping,
  bias: Node<"channelSum"> | undefined,
): WeightGradient {
  const desc = api.query(primitive, Query.diffWeights, { dims, type: "f32" })!;
  return merged === undefined ? { primitive, bias, desc } : { primitive, bias, desc, merged };
}

export function linearGradient(lowering: Lowering, node: Node<"linearBackwardWeight">): WeightGradient {
  const [x, dy] = node.inputs as [Value, Value];
  return lowering.once(node, () => innerProductGradient(lowering, node.name, x, dy, node.outputs[0]!.type.shape));
}

export function innerProductGradient(
  lowering: Lowering,
  name: string,
  x: Value,
  dy: Value,
  shape: Shape,
): WeightGradient {
  const { plan, api } = lowering;
  const dims = [shape[0]!, shape[1]!];
  const type = lowering.typeOf(x.type.shape);
  const bias = biasGradient(lowering, dy);
  const spec = {
    primitive: "innerProduct",
    src: plan.describe([x.type.shape[0]!, shape[1]!], type, "plain"),
    weights: plan.describe(dims, "f32", "any"),
    bias: bias && plan.describe(bias.outputs[0]!.type.shape, "f32", "plain"),
    dst: plan.describe([dy.type.shape[0]!, shape[0]!], lowering.typeOf(dy.type.shape), "plain"),
  } as const;
  const hint = api.primitive(name, { ...spec, weights: plan.describe(dims, type, "any"), pass: "forward" });
  return gradientBy(lowering, api.primitive(name, { ...spec, pass: "backwardWeights" }, hint), { dims }, bias);
}

export function runInnerProductBackwardWeight(
  lowering: Lowering,
  node: Node<"linearBackwardWeight"> | Node<"conv2dBackwardWeight">,
  backward: WeightGradient,
): void {
  const [x, dy] = node.inputs as readonly [Value, Value];
  const reads = {
    [Arg.src]: flat(lowering, lowering.get(x), x),
    [Arg.diffDst]: flat(lowering, lowering.get(dy), dy),
  };
  runWeightGradient(lowering, node, backward, reads);
}

/** Writes it where it is kept in training; else row-major, groups taken apart. */
export function runWeightGradient(
  lowering: Lowering,
  node: Node<"linearBackwardWeight"> | Node<"conv2dBackwardWeight">,
  { primitive, bias, desc: has, merged }: WeightGradient,
  reads: Arguments,
): void {
  const { plan, api, masters } = lowering;
  const { name } = node;
  const output = node.outputs[0]!;
  const run = (into: Place) => {
    const diffBias = bias && lowering.makePlain(bias.outputs[0]!);
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

/** The gradient of the bias comes with that of the weights. */
export function biasGradient(lowering: Lowering, dy: Value): Node<"channelSum"> | undefined {
  const sum = lowering.fusion.users(dy).find((user) => user.op === "channelSum" && !lowering.done.has(user));
  if (sum === undefined) return undefined;
  lowering.done.add(sum);
  return sum as Node<"channelSum">;
}

/** What no gradient of weights has brought: the mean over the positions by pooling, the rest here. */
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
