/** What differs between the versions of oneDNN's C API (api-v2.node.ts, api-v3.node.ts), and what both write alike. */

import type { Handle, Pointer } from "./library.node.ts";
import type { Desc, ElementType, Eltwise, Layout, Scales, Spec, Window } from "./spec.ts";

/** What differs between the versions. */
export interface Dialect {
  /** Argument number of the first post-operation, and the distance to the next ones. */
  readonly postOpArg: number;
  /** Whether batch norm's gradient is given the shift too. */
  readonly wantsShift: boolean;
  describe(dims: readonly number[], type: ElementType, layout: Layout): Desc["handle"];
  /** Describes a part of a larger memory. */
  view(parent: Desc, dims: readonly number[], offsets: readonly number[]): Desc["handle"];
  /** Creates a primitive descriptor into `out`; returns the status. */
  create(spec: Spec, attributes: Pointer, engine: Handle, hint: Pointer, out: BigUint64Array): number;
  appendEltwise(postOps: Handle, algorithm: Eltwise, alpha: number, beta: number): number;
  appendSum(postOps: Handle, scale: number): number;
  destroyDesc(handle: Desc["handle"]): void;
  /** Puts those scales into the attributes that belong there; returns the status. */
  setScales(attributes: Handle, spec: Spec, scales: Scales): number;
  /** Scales passed at execution, by argument number. */
  scaleArguments(scales: Scales): ReadonlyMap<number, Float32Array>;
  /** The bias of a convolution or linear layer, converted for these scales. */
  scaledBias(bias: Float32Array, scales: Scales): Float32Array;
}

/** Constants that are the same in both versions. */
export const C = {
  f32: 3,
  bf16: 2,
  s8: 5,
  u8: 6,
  tagAny: 1,
  forwardTraining: 64,
  forwardInference: 96,
  backward: 128,
  backwardData: 160,
  direct: 1,
  winograd: 2,
  poolingMax: 511,
  poolingAvgIncludePadding: 767,
  add: 131056,
  mul: 131057,
  div: 131060,
  gt: 131063,
  reductionSum: 196596,
  reluFromResult: 256,
  sigmoidFromResult: 260,
  useGlobalStats: 1,
} as const;

/** Numbers of the forward passes. */
export const propOf = (pass: "forward" | "forwardByGiven" | "inference"): number =>
  pass === "inference" ? C.forwardInference : C.forwardTraining;

/** The default slope: the library's swish is `x · sigmoid(alpha · x)`. */
export const alphaOf = (algorithm: Eltwise): number => (algorithm === "silu" ? 1 : 0);

/** The number of a function's backward pass; differs if that starts from the result. */
export const backwardNumber = (forwards: Readonly<Record<Eltwise, number>>, algorithm: Eltwise): number =>
  algorithm === "relu" ? C.reluFromResult : algorithm === "sigmoid" ? C.sigmoidFromResult : forwards[algorithm];

export const typeOf = (type: ElementType): number => C[type];

/** A version's format tags of the blocked layouts, by number of dimensions. */
export type Tags = Readonly<Record<Exclude<Layout, "any" | StridedLayout>, Readonly<Record<number, number>>>>;

/** Layouts given by one stride per axis. */
export type StridedLayout = "plain" | "channelsLast";

export const isStrided = (layout: Layout): layout is StridedLayout => layout === "plain" || layout === "channelsLast";

export const tagOf = (tags: Tags, layout: Exclude<Layout, StridedLayout>, dims: readonly number[]): number =>
  layout === "any" ? C.tagAny : tags[layout][dims.length]!;

/** The strides of a row-major layout, or of one with the channels (the second axis) innermost. */
export function stridesOf(dims: readonly number[], layout: StridedLayout): BigInt64Array {
  const axes = dims.map((_, axis) => axis);
  if (layout === "channelsLast") axes.push(...axes.splice(1, 1));
  const strides = new BigInt64Array(dims.length);
  let stride = 1n;
  for (const axis of axes.toReversed()) {
    strides[axis] = stride;
    stride *= BigInt(dims[axis]!);
  }
  return strides;
}

export const dimsOf = (dims: readonly number[]): BigInt64Array => BigInt64Array.from(dims, BigInt);

export const handles = (spec: { src: Desc; weights: Desc; bias?: Desc | undefined; dst: Desc }) =>
  [spec.src.handle, spec.weights.handle, spec.bias?.handle ?? null, spec.dst.handle] as const;

export const windowOf = ({ strides, padLow, padHigh }: Window) =>
  [dimsOf(strides), dimsOf(padLow), dimsOf(padHigh)] as const;
