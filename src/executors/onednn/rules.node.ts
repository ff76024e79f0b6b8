/** One rule per kind of fused node: the primitives that serve it. */

import { sizeOf } from "../../tensor.ts";
import { binaryCrossEntropy, type Loss, softmax, softmaxCrossEntropy } from "../loss.ts";
import type { Activation, FusedKind } from "./fused.ts";
import type { Rule } from "./lowering.node.ts";
import { conv2d, conv2dBackwardInput, conv2dBackwardWeight } from "./rules-conv.node.ts";
import {
  addInt8,
  conv2dInt8,
  dequantize,
  dequantizeWeight,
  linearInt8,
  maxPoolInt8,
  meanInt8,
  quantize,
  scaleInt8,
} from "./rules-int8.node.ts";
import { add, channelSlice, concat, gateGradient, scale } from "./rules-join.node.ts";
import { channelSum, linear, linearBackwardInput, linearBackwardWeight } from "./rules-linear.node.ts";
import { batchNorm, batchNormBackward, batchNormFrozenBackward, batchNormTraining } from "./rules-norm.node.ts";
import {
  avgPool,
  avgPoolBackward,
  globalAvgPool,
  globalAvgPoolBackward,
  maxPool,
  maxPoolBackward,
  share,
} from "./rules-pool.node.ts";
import { Arg } from "./spec.ts";

type LossOp = "softmaxCrossEntropy" | "binaryCrossEntropy";

/** Activations that are not fused into another node. */
const activation: Rule<Activation> = (lowering, node) => {
  const { plan, api } = lowering;
  const x = lowering.get(node.inputs[0]!);
  const y = lowering.make(node.outputs[0]!);
  const primitive = api.primitive(node.name, {
    primitive: "eltwise",
    pass: "forward",
    algorithm: node.kind,
    data: x.desc,
  });
  plan.run(node.name, primitive, { [Arg.src]: x }, { [Arg.dst]: y }, { of: y, from: [x] });
};

const activationBackward =
  (algorithm: Activation): Rule<`${Activation}Backward`> =>
  (lowering, node) => {
    const { plan, api } = lowering;
    const [data, dy] = [lowering.get(node.inputs[0]!), lowering.get(node.inputs[1]!)];
    const dx = lowering.make(node.outputs[0]!);
    const primitive = api.primitive(node.name, { primitive: "eltwise", pass: "backward", algorithm, data: data.desc });
    const isResult = algorithm === "relu" || algorithm === "sigmoid";
    const reads = { [isResult ? Arg.dst : Arg.src]: data, [Arg.diffDst]: dy };
    plan.run(node.name, primitive, reads, { [Arg.diffSrc]: dx }, { of: dx, from: [dy] });
  };

const multiply: Rule<"multiply"> = (lowering, node) => {
  const { plan, api } = lowering;
  const x = lowering.get(node.inputs[0]!);
  const y = lowering.make(node.outputs[0]!);
  const alpha = node.attrs.factor;
  const spec = { primitive: "eltwise", pass: "forward", algorithm: "linear", data: x.desc, alpha } as const;
  plan.run(node.name, api.primitive(node.name, spec), { [Arg.src]: x }, { [Arg.dst]: y }, { of: y, from: [x] });
};

const dropout: Rule<"dropout"> = (lowering, node) => {
  const [x, keep] = [lowering.get(node.inputs[0]!), lowering.get(node.inputs[1]!)];
  const y = lowering.make(node.outputs[0]!);
  const primitive = lowering.api.primitive(node.name, {
    primitive: "binary",
    algorithm: "mul",
    src: x.desc,
    operand: keep.desc,
    dst: y.desc,
  });
  lowering.plan.run(node.name, primitive, { [Arg.src]: x, [Arg.operand]: keep }, { [Arg.dst]: y });
};

/** On the host, since vectors are small: `running, batch → decay · running + (1 − decay) · scale · batch`. */
const runningAverage: Rule<"runningAverage"> = (lowering, node) => {
  const places = [lowering.plain(node.inputs[0]!), lowering.plain(node.inputs[1]!)] as const;
  const result = lowering.makePlain(node.outputs[0]!);
  const [running, batch, next] = [...places, result].map((place) => lowering.plan.array(place));
  const { decay, scale } = node.attrs;
  lowering.plan.host(node.name, places, [result], () => {
    const [old, now, into] = [running!.data, batch!.data, next!.data];
    for (let c = 0; c < into.length; c++) into[c] = decay * old[c]! + (1 - decay) * scale * now[c]!;
  });
};

/** The same numbers under another shape, row-major. */
const reshape: Rule<"flatten" | "flattenBackward"> = (lowering, node) => {
  const [x, y] = [node.inputs[0]!, node.outputs[0]!];
  const { plan } = lowering;
  const from = lowering.place(x);
  const plain = plan.describe(x.type.shape, from.desc.type, "plain");
  const place = plan.as(plan.reordered(node.name, from, plain), plan.describe(y.type.shape, from.desc.type, "plain"));
  lowering.set(y, place);
};

const softmaxRule: Rule<"softmax"> = (lowering, node) => {
  const x = lowering.plain(node.inputs[0]!);
  const y = lowering.makePlain(node.outputs[0]!);
  const [from, into] = [lowering.plan.array(x), lowering.plan.array(y)];
  const rows = node.inputs[0]!.type.shape[0]!;
  lowering.plan.host(node.name, [x], [y], () => softmax(from.data, rows, into.data));
};

const lossRule =
  (loss: Loss): Rule<LossOp> =>
  (lowering, node) => {
    const places = [lowering.plain(node.inputs[0]!), lowering.plain(node.inputs[1]!)] as const;
    const result = lowering.makePlain(node.outputs[0]!);
    const [logits, targets, into] = [...places, result].map((place) => lowering.plan.array(place));
    const rows = node.inputs[0]!.type.shape[0]!;
    lowering.plan.host(node.name, places, [result], () => {
      into!.data[0] = loss.value(logits!.data, targets!.data, rows);
    });
  };

const lossGradientRule =
  (loss: Loss): Rule<`${LossOp}Backward`> =>
  (lowering, node) => {
    const places = node.inputs.map((input) => lowering.plain(input));
    const result = lowering.makePlain(node.outputs[0]!);
    const [logits, targets, dloss, into] = [...places, result].map((place) => lowering.plan.array(place));
    const rows = node.inputs[0]!.type.shape[0]!;
    lowering.plan.host(node.name, places, [result], () =>
      loss.gradient(logits!.data, targets!.data, rows, dloss!.data[0]!, into!.data),
    );
  };

/** Nothing to do: steps run in graph order anyway. */
const after: Rule<"after"> = (lowering, node) => {
  lowering.set(node.outputs[0]!, lowering.place(node.inputs[0]!));
};

const fill: Rule<"fill"> = (lowering, node) => {
  const { value, shape } = node.attrs;
  const data = new Float32Array(sizeOf(shape)).fill(value);
  lowering.set(node.outputs[0]!, lowering.plan.fixed(lowering.plan.describe(shape, "f32", "plain"), data));
};

export const rules: { readonly [K in FusedKind]: Rule<K> } = {
  conv2d,
  conv2dBackwardInput,
  conv2dBackwardWeight,
  channelSum,
  linear,
  linearBackwardInput,
  linearBackwardWeight,
  batchNorm,
  batchNormTraining,
  batchNormBackward,
  batchNormFrozenBackward,
  runningAverage,
  relu: activation,
  reluBackward: activationBackward("relu"),
  sigmoid: activation,
  sigmoidBackward: activationBackward("sigmoid"),
  silu: activation,
  siluBackward: activationBackward("silu"),
  mish: activation,
  mishBackward: activationBackward("mish"),
  add,
  multiply,
  dropout,
  concat,
  channelSlice,
  maxPool,
  maxPoolBackward,
  avgPool,
  avgPoolBackward,
  globalAvgPool,
  globalAvgPoolBackward,
  scale,
  gateGradient,
  share,
  quantize,
  dequantize,
  dequantizeWeight,
  conv2dInt8,
  linearInt8,
  scaleInt8,
  addInt8,
  maxPoolInt8,
  meanInt8,
  flatten: reshape,
  flattenBackward: reshape,
  softmax: softmaxRule,
  softmaxCrossEntropy: lossRule(softmaxCrossEntropy),
  softmaxCrossEntropyBackward: lossGradientRule(softmaxCrossEntropy),
  binaryCrossEntropy: lossRule(binaryCrossEntropy),
  binaryCrossEntropyBackward: lossGradientRule(binaryCrossEntropy),
  after,
  fill,
};
