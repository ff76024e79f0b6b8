/** One shape and dtype rule per operation; those for training are in infer-training.ts. */

import { SenetError } from "../errors.ts";
import { type Shape, sameShape } from "../tensor.ts";
import { formatType, type Type } from "./graph.ts";
import type { Attrs, Op, PoolAttrs } from "./ops.ts";
import { axesOf, convAxes, convExtent, poolExtent } from "./window.ts";

export type InferRule<K extends Op> = (inputs: readonly Type[], attrs: Attrs[K], fail: Fail) => readonly Type[];
export type Fail = (what: string, expected: string, found: string) => never;

const shapes = (inputs: readonly Type[]) => inputs.map(formatType).join(", ");

/** The input at `index`; checks that it exists and has the given rank. */
export function at(inputs: readonly Type[], index: number, rank: number | undefined, fail: Fail): Type {
  const type = inputs[index];
  if (type === undefined) return fail(`input ${index} is missing`, `at least ${index + 1} inputs`, shapes(inputs));
  if (rank !== undefined && type.shape.length !== rank) {
    return fail(`input ${index} has the wrong rank`, `rank ${rank}`, formatType(type));
  }
  return type;
}

export function nchw(type: Type): [number, number, number, number] {
  return type.shape as unknown as [number, number, number, number];
}

export function vector(inputs: readonly Type[], index: number, length: number, fail: Fail): void {
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

export function convShape(x: Type, w: Type, attrs: Attrs["conv2d"], inputs: readonly Type[], fail: Fail): Shape {
  const [n, c, height, width] = nchw(x);
  const [o, i] = nchw(w);
  const { groups } = attrs;
  if (c !== i * groups)
    fail("channels do not fit the weight", `${i * groups} channels (${i} × ${groups} groups)`, shapes(inputs));
  if (o % groups !== 0) fail("output channels do not divide into groups", `a multiple of ${groups}`, `${o}`);
  const [rows, columns] = convAxes(attrs, w.shape);
  return positive([n, o, convExtent(height, rows), convExtent(width, columns)], inputs, fail);
}

export function poolShape(x: Type, attrs: PoolAttrs, inputs: readonly Type[], fail: Fail): Shape {
  const [n, c, height, width] = nchw(x);
  const [rows, columns] = axesOf(attrs);
  return positive([n, c, poolExtent(height, rows, attrs.ceil), poolExtent(width, columns, attrs.ceil)], inputs, fail);
}

export function same(inputs: readonly Type[], a: number, b: number, fail: Fail): Type {
  const first = at(inputs, a, undefined, fail);
  const second = at(inputs, b, undefined, fail);
  if (!sameShape(first.shape, second.shape)) {
    fail(`inputs ${a} and ${b} differ in shape`, formatType(first), formatType(second));
  }
  return first;
}

export function gateFits(inputs: readonly Type[], fail: Fail): void {
  const gate = at(inputs, 0, 4, fail);
  const branch = at(inputs, 1, 4, fail);
  const expected = [branch.shape[0]!, branch.shape[1]!, 1, 1];
  if (!sameShape(gate.shape, expected))
    fail("the gate does not fit the branch", `[${expected.join(", ")}]`, formatType(gate));
}

export const likeFirst = (inputs: readonly Type[], _attrs: unknown, fail: Fail): readonly Type[] => [
  at(inputs, 0, undefined, fail),
];

export const likeBoth = (inputs: readonly Type[], _attrs: unknown, fail: Fail): readonly Type[] => [
  same(inputs, 0, 1, fail),
];

/** Operations that occur in inference. */
export type UsualOp =
  | "conv2d"
  | "linear"
  | "batchNorm"
  | "relu"
  | "sigmoid"
  | "silu"
  | "mish"
  | "add"
  | "multiply"
  | "concat"
  | "channelSlice"
  | "maxPool"
  | "avgPool"
  | "globalAvgPool"
  | "seScaleAdd"
  | "seScale"
  | "quantize"
  | "dequantize"
  | "dequantizeWeight"
  | "flatten"
  | "softmax";

const usualRules: { readonly [K in UsualOp]: InferRule<K> } = {
  conv2d: (inputs, attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    const w = at(inputs, 1, 4, fail);
    if (inputs.length > 2) vector(inputs, 2, w.shape[0]!, fail);
    return [{ dtype: x.dtype, shape: convShape(x, w, attrs, inputs, fail) }];
  },
  linear: (inputs, _attrs, fail) => {
    const x = at(inputs, 0, 2, fail);
    const w = at(inputs, 1, 2, fail);
    if (x.shape[1] !== w.shape[1]) fail("features do not fit the weight", `[N, ${w.shape[1]}]`, formatType(x));
    if (inputs.length > 2) vector(inputs, 2, w.shape[0]!, fail);
    return [{ dtype: x.dtype, shape: [x.shape[0]!, w.shape[0]!] }];
  },
  batchNorm: (inputs, _attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    for (let i = 1; i <= 4; i++) vector(inputs, i, x.shape[1]!, fail);
    return [x];
  },
  relu: likeFirst,
  sigmoid: likeFirst,
  silu: likeFirst,
  mish: likeFirst,
  add: likeBoth,
  multiply: likeFirst,
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
  avgPool: (inputs, attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    return [{ dtype: x.dtype, shape: poolShape(x, attrs, inputs, fail) }];
  },
  globalAvgPool: (inputs, _attrs, fail) => {
    const x = at(inputs, 0, 4, fail);
    return [{ dtype: x.dtype, shape: [x.shape[0]!, x.shape[1]!, 1, 1] }];
  },
  seScaleAdd: (inputs, _attrs, fail) => {
    gateFits(inputs, fail);
    return [same(inputs, 1, 2, fail)];
  },
  seScale: (inputs, _attrs, fail) => {
    gateFits(inputs, fail);
    return [at(inputs, 1, 4, fail)];
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
  softmax: (inputs, _attrs, fail) => [at(inputs, 0, 2, fail)],
};

type Rules = { readonly [K in Op]?: InferRule<K> };
let rules: Rules = usualRules;

/** Adds the rules of infer-training.ts. */
export function addInferRules(more: Rules): void {
  rules = { ...rules, ...more };
}

function eightBits(type: Type, fail: Fail): Type {
  if (type.dtype !== "int8" && type.dtype !== "uint8")
    fail("this is not in eight bits", "int8 or uint8", formatType(type));
  return type;
}

/**
 * The output types of an operation on these inputs.
 * @throws SenetError `shape`, naming the node, where the inputs do not fit
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
  const rule = rules[op];
  if (rule === undefined) throw new Error(`the shapes of ${op} want ir/infer-training.ts`);
  return rule(inputs, attrs, fail);
}
