/** One shape and dtype rule per operation. */

import { option, SenetError } from "../errors.ts";
import { type Shape, sameShape, sizeOf } from "../tensor.ts";
import { formatType, type Type } from "./graph.ts";
import type { Attrs, Op, PoolAttrs } from "./ops.ts";
import { axesOf, convAxes, convExtent, poolExtent } from "./window.ts";

type InferRule<K extends Op> = (inputs: readonly Type[], attrs: Attrs[K], fail: Fail) => readonly Type[];
type Fail = (what: string, expected: string, found: string) => never;

const shapes = (inputs: readonly Type[]) => inputs.map(formatType).join(", ");

/** The input at `index`, checked for existence and rank. */
function at(inputs: readonly Type[], index: number, rank: number | undefined, fail: Fail): Type {
  const type = inputs[index];
  if (type === undefined) return fail(`input ${index} is missing`, `at least ${index + 1} inputs`, shapes(inputs));
  if (rank !== undefined && type.shape.length !== rank) {
    return fail(`input ${index} has the wrong rank`, `rank ${rank}`, formatType(type));
  }
  return type;
}

function nchw(type: Type): [number, number, number, number] {
  return type.shape as unknown as [number, number, number, number];
}

function vector(inputs: readonly Type[], index: number, length: number, fail: Fail): void {
  const type = at(inputs, index, 1, fail);
  if (type.shape[0] !== length) fail(`input ${index} has the wrong length`, `[${length}]`, formatType(type));
}

function positive(shape: Shape, inputs: readonly Type[], fail: Fail): Shape {
  if (shape.some((extent) => extent < 1)) {
    fail(
      "the input is too small for this window",
      "an output of at least one element",
      `${shapes(inputs)} → [${shape.join(", ")}]`,
    );
  }
  return shape;
}

function convShape(x: Type, w: Type, attrs: Attrs["conv2d"], inputs: readonly Type[], fail: Fail): Shape {
  const [n, c, height, width] = nchw(x);
  const [o, i] = nchw(w);
  const { groups } = attrs;
  if (c !== i * groups)
    fail("channels do not fit the weight", `${i * groups} channels (${i} × ${groups} groups)`, shapes(inputs));
  if (o % groups !== 0) fail("output channels do not divide into groups", `a multiple of ${groups}`, `${o}`);
  const [rows, columns] = convAxes(attrs, w.shape);
  return positive([n, o, convExtent(height, rows), convExtent(width, columns)], inputs, fail);
}

function poolShape(x: Type, attrs: PoolAttrs, inputs: readonly Type[], fail: Fail): Shape {
  const [n, c, height, width] = nchw(x);
  const [rows, columns] = axesOf(attrs);
  return positive([n, c, poolExtent(height, rows, attrs.ceil), poolExtent(width, columns, attrs.ceil)], inputs, fail);
}

function same(inputs: readonly Type[], a: number, b: number, fail: Fail): Type {
  const first = at(inputs, a, undefined, fail);
  const second = at(inputs, b, undefined, fail);
  if (!sameShape(first.shape, second.shape)) {
    fail(`inputs ${a} and ${b} differ in shape`, formatType(first), formatType(second));
  }
  return first;
}

function gateFits(inputs: readonly Type[], fail: Fail): void {
  const gate = at(inputs, 0, 4, fail);
  const branch = at(inputs, 1, 4, fail);
  const expected = [branch.shape[0]!, branch.shape[1]!, 1, 1];
  if (!sameShape(gate.shape, expected))
    fail("the gate does not fit the branch", `[${expected.join(", ")}]`, formatType(gate));
}

/** Of `x, gamma, mean, variance, dy`. */
function normGradients(inputs: readonly Type[], fail: Fail): readonly Type[] {
  const x = at(inputs, 0, 4, fail);
  for (let i = 1; i <= 3; i++) vector(inputs, i, x.shape[1]!, fail);
  same(inputs, 0, 4, fail);
  const gradient: Type = { dtype: x.dtype, shape: [x.shape[1]!] };
  return [x, gradient, gradient];
}

const inferRules: { readonly [K in Op]: InferRule<K> } = {
  conv2d: (inputs, attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    const w = at(inputs, 1, 4, fail);
    if (inputs.length > 2) vector(inputs, 2, w.shape[0]!, fail);
    return [{ dtype: x.dtype, shape: convShape(x, w, attrs, inputs, fail) }];
  },
  conv2dBackwardInput: (inputs, attrs, fail) => {
    const dy = at(inputs, 0, 4, fail);
    const w = at(inputs, 1, 4, fail);
    const forward = convShape({ dtype: dy.dtype, shape: attrs.inputShape }, w, attrs, inputs, fail);
    if (!sameShape(forward, dy.shape))
      fail("dy is not the output of this convolution", `[${forward.join(", ")}]`, formatType(dy));
    return [{ dtype: dy.dtype, shape: attrs.inputShape }];
  },
  conv2dBackwardWeight: (inputs, attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    const dy = at(inputs, 1, 4, fail);
    const forward = convShape(x, { dtype: x.dtype, shape: attrs.weightShape }, attrs, inputs, fail);
    if (!sameShape(forward, dy.shape))
      fail("dy is not the output of this convolution", `[${forward.join(", ")}]`, formatType(dy));
    return [{ dtype: x.dtype, shape: attrs.weightShape }];
  },
  channelSum: (inputs, _attrs, fail) => {
    const x = at(inputs, 0, undefined, fail);
    if (x.shape.length < 2) fail("there is no channel axis", "rank 2 or more", formatType(x));
    return [{ dtype: x.dtype, shape: [x.shape[1]!] }];
  },
  linear: (inputs, _attrs, fail) => {
    const x = at(inputs, 0, 2, fail);
    const w = at(inputs, 1, 2, fail);
    if (x.shape[1] !== w.shape[1]) fail("features do not fit the weight", `[N, ${w.shape[1]}]`, formatType(x));
    if (inputs.length > 2) vector(inputs, 2, w.shape[0]!, fail);
    return [{ dtype: x.dtype, shape: [x.shape[0]!, w.shape[0]!] }];
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
  batchNorm: (inputs, _attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    for (let i = 1; i <= 4; i++) vector(inputs, i, x.shape[1]!, fail);
    return [x];
  },
  batchNormTraining: (inputs, _attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    for (let i = 1; i <= 2; i++) vector(inputs, i, x.shape[1]!, fail);
    // Its mean is the value itself and its variance 0: whatever comes in, the bias comes out, and no gradient goes back.
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
  batchNormBackward: (inputs, _attrs, fail) => normGradients(inputs, fail),
  batchNormFrozenBackward: (inputs, _attrs, fail) => normGradients(inputs, fail),
  runningAverage: (inputs, _attrs, fail) => [same(inputs, 0, 1, fail)],
  relu: (inputs, _attrs, fail) => [at(inputs, 0, undefined, fail)],
  reluBackward: (inputs, _attrs, fail) => [same(inputs, 0, 1, fail)],
  sigmoid: (inputs, _attrs, fail) => [at(inputs, 0, undefined, fail)],
  sigmoidBackward: (inputs, _attrs, fail) => [same(inputs, 0, 1, fail)],
  silu: (inputs, _attrs, fail) => [at(inputs, 0, undefined, fail)],
  siluBackward: (inputs, _attrs, fail) => [same(inputs, 0, 1, fail)],
  mish: (inputs, _attrs, fail) => [at(inputs, 0, undefined, fail)],
  mishBackward: (inputs, _attrs, fail) => [same(inputs, 0, 1, fail)],
  add: (inputs, _attrs, fail) => [same(inputs, 0, 1, fail)],
  multiply: (inputs, _attrs, fail) => [at(inputs, 0, undefined, fail)],
  dropout: (inputs, { rate }, fail) => {
    if (!(rate >= 0 && rate < 1)) fail("the rate is no part of the whole", "from 0 to below 1", `${rate}`);
    return [same(inputs, 0, 1, fail)];
  },
  concat: (inputs, _attrs, fail) => {
    const [n, , height, width] = nchw(at(inputs, 0, 4, fail));
    let channels = 0;
    inputs.forEach((input, i) => {
      const { shape } = at(inputs, i, 4, fail);
      if (shape[0] !== n || shape[2] !== height || shape[3] !== width) {
        fail(`input ${i} does not fit the first`, `[${n}, C, ${height}, ${width}]`, formatType(input));
      }
      channels += shape[1]!;
    });
    return [{ dtype: inputs[0]!.dtype, shape: [n, channels, height, width] }];
  },
  channelSlice: (inputs, { start, length }, fail) => {
    const x = at(inputs, 0, 4, fail);
    const [n, channels, height, width] = nchw(x);
    if (start < 0 || length < 1 || start + length > channels) {
      fail("there are no such channels", `within ${channels} channels`, `${start} to ${start + length}`);
    }
    return [{ dtype: x.dtype, shape: [n, length, height, width] }];
  },
  maxPool: (inputs, attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    return [{ dtype: x.dtype, shape: poolShape(x, attrs, inputs, fail) }];
  },
  maxPoolBackward: (inputs, attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    const dy = at(inputs, 1, 4, fail);
    const forward = poolShape(x, attrs, inputs, fail);
    if (!sameShape(forward, dy.shape))
      fail("dy is not the output of this pooling", `[${forward.join(", ")}]`, formatType(dy));
    return [x];
  },
  avgPool: (inputs, attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    return [{ dtype: x.dtype, shape: poolShape(x, attrs, inputs, fail) }];
  },
  avgPoolBackward: (inputs, attrs, fail) => {
    const dy = at(inputs, 0, 4, fail);
    const forward = poolShape({ dtype: dy.dtype, shape: attrs.inputShape }, attrs, inputs, fail);
    if (!sameShape(forward, dy.shape))
      fail("dy is not the output of this pooling", `[${forward.join(", ")}]`, formatType(dy));
    return [{ dtype: dy.dtype, shape: attrs.inputShape }];
  },
  globalAvgPool: (inputs, _attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    return [{ dtype: x.dtype, shape: [x.shape[0]!, x.shape[1]!, 1, 1] }];
  },
  globalAvgPoolBackward: (inputs, attrs, fail) => {
    const dy = at(inputs, 0, 4, fail);
    const expected = [attrs.inputShape[0]!, attrs.inputShape[1]!, 1, 1];
    if (!sameShape(expected, dy.shape))
      fail("dy is not the output of this pooling", `[${expected.join(", ")}]`, formatType(dy));
    return [{ dtype: dy.dtype, shape: attrs.inputShape }];
  },
  seScaleAdd: (inputs, _attrs, fail) => {
    gateFits(inputs, fail);
    return [same(inputs, 1, 2, fail)];
  },
  seScale: (inputs, _attrs, fail) => {
    gateFits(inputs, fail);
    return [at(inputs, 1, 4, fail)];
  },
  seScaleBackward: (inputs, _attrs, fail) => {
    gateFits(inputs, fail);
    return [at(inputs, 0, 4, fail), same(inputs, 1, 2, fail)];
  },
  quantize: (inputs, { scale, signed }, fail) => {
    const { shape } = at(inputs, 0, undefined, fail);
    if (!(scale > 0 && Number.isFinite(scale))) fail("the scale is not a factor", "a number above 0", `${scale}`);
    return [{ dtype: signed ? "int8" : "uint8", shape }];
  },
  dequantize: (inputs, _attrs, fail) => [
    { dtype: "float32", shape: eightBits(at(inputs, 0, undefined, fail), fail).shape },
  ],
  dequantizeWeight: (inputs, _attrs, fail) => {
    const w = eightBits(at(inputs, 0, undefined, fail), fail);
    vector(inputs, 1, w.shape[0]!, fail);
    return [{ dtype: "float32", shape: w.shape }];
  },
  flatten: (inputs, _attrs, fail) => {
    const x = at(inputs, 0, undefined, fail);
    const rest = x.shape.slice(1).reduce((product, extent) => product * extent, 1);
    return [{ dtype: x.dtype, shape: [x.shape[0]!, rest] }];
  },
  flattenBackward: (inputs, attrs, fail) => {
    const dy = at(inputs, 0, 2, fail);
    const [n, ...rest] = attrs.inputShape as [number, ...number[]];
    if (dy.shape[0] !== n || dy.shape[1] !== sizeOf(rest)) {
      fail("dy is not the output of this flattening", `[${n}, ${sizeOf(rest)}]`, formatType(dy));
    }
    return [{ dtype: dy.dtype, shape: attrs.inputShape }];
  },
  softmax: (inputs, _attrs, fail) => [at(inputs, 0, 2, fail)],
  softmaxCrossEntropy: (inputs, _attrs, fail) => lossType(inputs, fail),
  softmaxCrossEntropyBackward: (inputs, _attrs, fail) => lossGradient(inputs, fail),
  binaryCrossEntropy: (inputs, _attrs, fail) => lossType(inputs, fail),
  binaryCrossEntropyBackward: (inputs, _attrs, fail) => lossGradient(inputs, fail),
  after: (inputs, _attrs, fail) => [at(inputs, 0, undefined, fail)],
  fill: (_inputs, attrs) => [{ dtype: attrs.dtype, shape: attrs.shape }],
};

function eightBits(type: Type, fail: Fail): Type {
  if (type.dtype !== "int8" && type.dtype !== "uint8")
    fail("this is not in eight bits", "int8 or uint8", formatType(type));
  return type;
}

/** Of `logits [N,K], targets [N,K]`. */
function lossType(inputs: readonly Type[], fail: Fail): readonly Type[] {
  at(inputs, 0, 2, fail);
  return [{ dtype: same(inputs, 0, 1, fail).dtype, shape: [] }];
}

/** Of `logits, targets, dloss []`. */
function lossGradient(inputs: readonly Type[], fail: Fail): readonly Type[] {
  lossType(inputs, fail);
  at(inputs, 2, 0, fail);
  return [inputs[0]!];
}

/**
 * The output types of an operation on these inputs.
 * @throws SenetError `shape`, naming the node, where they do not fit.
 */
export function inferTypes<K extends Op>(
  op: K,
  name: string,
  inputs: readonly Type[],
  attrs: Attrs[K],
): readonly Type[] {
  const fail: Fail = (what, expected, found) => {
    throw new SenetError("shape", what, { where: `${name} (${op})`, expected, found });
  };
  if (op !== "dequantizeWeight" && new Set(inputs.map((type) => type.dtype)).size > 1)
    fail("inputs mix dtypes", "one dtype", shapes(inputs));
  return inferRules[op](inputs, attrs, fail);
}
