/** Shape and dtype rules of the operations that occur only in training; loaded by builder.ts. */

import { option } from "../errors.ts";
import { type Shape, sameShape, sizeOf } from "../tensor.ts";
import { formatType, type Type } from "./graph.ts";
import {
  addInferRules,
  at,
  convShape,
  type Fail,
  gateFits,
  type InferRule,
  likeBoth,
  likeFirst,
  poolShape,
  same,
  type UsualOp,
  vector,
} from "./infer.ts";
import type { Op } from "./ops.ts";

/** Checks that `dy` has the shape of the forward output. @param what the forward operation, for errors */
function isOutput(dy: Type, forward: Shape, what: string, fail: Fail): void {
  if (!sameShape(forward, dy.shape))
    fail(`dy is not the output of this ${what}`, `[${forward.join(", ")}]`, formatType(dy));
}

/** Inputs `x, gamma, mean, variance, dy`. */
function normGradients(inputs: readonly Type[], _attrs: unknown, fail: Fail): readonly Type[] {
  const x = at(inputs, 0, 4, fail);
  for (let i = 1; i <= 3; i++) vector(inputs, i, x.shape[1]!, fail);
  same(inputs, 0, 4, fail);
  const gradient: Type = { dtype: x.dtype, shape: [x.shape[1]!] };
  return [x, gradient, gradient];
}

const trainingRules: { readonly [K in Exclude<Op, UsualOp>]: InferRule<K> } = {
  conv2dBackwardInput: (inputs, attrs, fail) => {
    const dy = at(inputs, 0, 4, fail);
    const w = at(inputs, 1, 4, fail);
    const forward = convShape({ dtype: dy.dtype, shape: attrs.inputShape }, w, attrs, inputs, fail);
    isOutput(dy, forward, "convolution", fail);
    return [{ dtype: dy.dtype, shape: attrs.inputShape }];
  },
  conv2dBackwardWeight: (inputs, attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    const dy = at(inputs, 1, 4, fail);
    const forward = convShape(x, { dtype: x.dtype, shape: attrs.weightShape }, attrs, inputs, fail);
    isOutput(dy, forward, "convolution", fail);
    return [{ dtype: x.dtype, shape: attrs.weightShape }];
  },
  channelSum: (inputs, _attrs, fail) => {
    const x = at(inputs, 0, undefined, fail);
    if (x.shape.length < 2) fail("there is no channel axis", "rank 2 or more", formatType(x));
    return [{ dtype: x.dtype, shape: [x.shape[1]!] }];
  },
  linearBackwardInput: (inputs, _attrs, fail) => {
    const dy = at(inputs, 0, 2, fail);
    const w = at(inputs, 1, 2, fail);
    if (dy.shape[1] !== w.shape[0]) fail("dy does not fit the weight", `[N, ${w.shape[0]}]`, formatType(dy));
    return [{ dtype: dy.dtype, shape: [dy.shape[0]!, w.shape[1]!] }];
  },
  linearBackwardWeight: (inputs, _attrs, fail) => {
    const x = at(inputs, 0, 2, fail);
    const dy = at(inputs, 1, 2, fail);
    if (x.shape[0] !== dy.shape[0]) fail("x and dy differ in batch", `[${x.shape[0]}, ...]`, formatType(dy));
    return [{ dtype: x.dtype, shape: [dy.shape[1]!, x.shape[1]!] }];
  },
  batchNormTraining: (inputs, _attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    for (let i = 1; i <= 2; i++) vector(inputs, i, x.shape[1]!, fail);
    // With one value per channel, the mean is the value and the variance 0: the output is always the bias, and no
    // gradient flows.
    if (sizeOf(x.shape) === x.shape[1]) {
      fail(
        "there is only one value in each channel, and batch norm in training needs more",
        `a larger batch (${option("batchSize")}), or larger pictures (${option("imageSize")})`,
        formatType(x),
      );
    }
    const statistic: Type = { dtype: x.dtype, shape: [x.shape[1]!] };
    return [x, statistic, statistic];
  },
  batchNormBackward: normGradients,
  batchNormFrozenBackward: normGradients,
  runningAverage: likeBoth,
  reluBackward: likeBoth,
  sigmoidBackward: likeBoth,
  siluBackward: likeBoth,
  mishBackward: likeBoth,
  dropout: (inputs, { rate }, fail) => {
    if (!(rate >= 0 && rate < 1)) fail("the rate is no part of the whole", "from 0 to below 1", `${rate}`);
    return [same(inputs, 0, 1, fail)];
  },
  maxPoolBackward: (inputs, attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    const dy = at(inputs, 1, 4, fail);
    const forward = poolShape(x, attrs, inputs, fail);
    isOutput(dy, forward, "pooling", fail);
    return [x];
  },
  avgPoolBackward: (inputs, attrs, fail) => {
    const dy = at(inputs, 0, 4, fail);
    const forward = poolShape({ dtype: dy.dtype, shape: attrs.inputShape }, attrs, inputs, fail);
    isOutput(dy, forward, "pooling", fail);
    return [{ dtype: dy.dtype, shape: attrs.inputShape }];
  },
  globalAvgPoolBackward: (inputs, attrs, fail) => {
    const dy = at(inputs, 0, 4, fail);
    const expected = [attrs.inputShape[0]!, attrs.inputShape[1]!, 1, 1];
    isOutput(dy, expected, "pooling", fail);
    return [{ dtype: dy.dtype, shape: attrs.inputShape }];
  },
  seScaleBackward: (inputs, _attrs, fail) => {
    gateFits(inputs, fail);
    return [at(inputs, 0, 4, fail), same(inputs, 1, 2, fail)];
  },
  flattenBackward: (inputs, attrs, fail) => {
    const dy = at(inputs, 0, 2, fail);
    const [n, ...rest] = attrs.inputShape as [number, ...number[]];
    isOutput(dy, [n, sizeOf(rest)], "flattening", fail);
    return [{ dtype: dy.dtype, shape: attrs.inputShape }];
  },
  softmaxCrossEntropy: lossType,
  softmaxCrossEntropyBackward: lossGradient,
  binaryCrossEntropy: lossType,
  binaryCrossEntropyBackward: lossGradient,
  after: likeFirst,
  fill: (_inputs, attrs) => [{ dtype: attrs.dtype, shape: attrs.shape }],
};

addInferRules(trainingRules);

/** Inputs `logits [N,K], targets [N,K]`. */
function lossType(inputs: readonly Type[], _attrs: unknown, fail: Fail): readonly Type[] {
  at(inputs, 0, 2, fail);
  return [{ dtype: same(inputs, 0, 1, fail).dtype, shape: [] }];
}

/** Inputs `logits, targets, dloss []`. */
function lossGradient(inputs: readonly Type[], _attrs: unknown, fail: Fail): readonly Type[] {
  lossType(inputs, undefined, fail);
  at(inputs, 2, 0, fail);
  return [inputs[0]!];
}
