/** oneDNN's primitives as data: what the lowering asks for, in terms that both versions of the C API share. */

import type { Shape } from "../../tensor.ts";

/** A description of memory: extents, element type, layout. Made by an `Api`, and known only to it. */
export interface Desc {
  readonly handle: bigint | Uint8Array;
  readonly dims: readonly number[];
  readonly type: ElementType;
}

export type ElementType = "f32" | "bf16" | "s8" | "u8";

/**
 * `any` lets the primitive choose; `plain` is row-major; `channelsLast` keeps all channels of a position together, which is
 * how the library computes in eight bits; `blocked16` and `blocked8` keep so many channels together
 * (oneDNN's nChw16c; of the weights of a convolution with one channel a group, Goihw16g). `weights16` is what convolutions
 * want of weights, blocks of 16 × 16 with the output's channels side by side (OIhw16i16o), `weights16Backward` what their
 * gradient by the input wants, with the input's channels side by side (OIhw16o16i).
 */
export type Layout = "any" | "plain" | "channelsLast" | "blocked16" | "blocked8" | "weights16" | "weights16Backward";

/** How many channels fill a vector, which the machine decides; none without AVX2. */
export type ChannelBlock = 16 | 8 | undefined;

/**
 * How a plan keeps pictures between operations: so many channels together (blocks), or all of them (last). Which is faster
 * depends on what the library has for the processor.
 */
export interface Standing {
  readonly layout: PlanLayout;
  readonly block: ChannelBlock;
}

export const planLayouts = ["blocks", "channelsLast"] as const;
export type PlanLayout = (typeof planLayouts)[number];

/** Where the value of an operation stays between operations: so where its channels allow it, else row-major. */
export function layoutOf(shape: Shape, { layout, block }: Standing): Layout {
  const [, channels = 0, height = 1, width = 1] = shape;
  if (block === undefined || shape.length !== 4 || height * width === 1) return "plain";
  // Of pictures with their three channels the first convolution likes another layout still.
  if (layout === "channelsLast") return channels < block ? "plain" : "channelsLast";
  return channels % block === 0 ? `blocked${block}` : "plain";
}

/** Functions of one number. */
export type Eltwise = "relu" | "sigmoid" | "silu" | "mish" | "sqrt" | "linear";

/**
 * What numbers in eight bits are to be multiplied by, to be what they stand for: one factor for all, or of weights one for
 * each output channel. Of the destination: what results are divided by before they are rounded.
 */
export interface Scales {
  readonly src?: number;
  readonly weights?: Float32Array;
  readonly dst?: number;
}

/** What is done to each result before it is written, in order. */
export type PostOp =
  | { readonly kind: Exclude<Eltwise, "linear"> }
  /** `alpha · x + beta` */
  | { readonly kind: "linear"; readonly alpha: number; readonly beta: number }
  | { readonly kind: "add" | "mul" | "div"; readonly operand: Desc }
  /** Plus `scale` times what the destination holds. */
  | { readonly kind: "sum"; readonly scale: number };

export interface Window {
  readonly strides: readonly number[];
  /** Before the first position, and behind the last one. */
  readonly padLow: readonly number[];
  readonly padHigh: readonly number[];
}

/** In backward passes `src`, `weights` and `dst` stand for the gradients where the pass makes or takes these. */
interface Weighted {
  readonly pass: "forward" | "inference" | "backwardData" | "backwardWeights";
  readonly src: Desc;
  readonly weights: Desc;
  readonly bias?: Desc | undefined;
  readonly dst: Desc;
  readonly postOps?: readonly PostOp[];
  readonly scales?: Scales;
}

export type Spec =
  | ({
      readonly primitive: "convolution";
      /** Winograd's takes a quarter of the products, for 3×3 at stride 1 (arXiv 1509.09308). Default: direct. */
      readonly algorithm?: "direct" | "winograd";
      readonly window: Window;
    } & Weighted)
  | ({ readonly primitive: "innerProduct" } & Weighted)
  | {
      readonly primitive: "batchNorm";
      /**
       * `inference` uses given statistics, as does `forwardByGiven`, which keeps what the gradient wants; and
       * `frozenBackward` is the gradient of that.
       */
      readonly pass: "forward" | "forwardByGiven" | "inference" | "backward" | "frozenBackward";
      readonly data: Desc;
      readonly eps: number;
      readonly relu: boolean;
    }
  | {
      readonly primitive: "eltwise";
      readonly pass: "forward" | "backward";
      /** ReLU and sigmoid go back from their result, the others from their argument. */
      readonly algorithm: Exclude<Eltwise, "sqrt">;
      readonly data: Desc;
      /** Factor of `linear`. */
      readonly alpha?: number;
    }
  | {
      readonly primitive: "pooling";
      readonly pass: "forward" | "inference" | "backward";
      /** `avg` counts the padding. */
      readonly algorithm: "max" | "avg";
      readonly src: Desc;
      readonly dst: Desc;
      readonly kernel: readonly number[];
      readonly window: Window;
    }
  | {
      readonly primitive: "binary";
      /** `gt`: 1 where the first is greater, else 0. */
      readonly algorithm: "add" | "mul" | "gt";
      readonly src: Desc;
      /** Extents of 1 are broadcast. */
      readonly operand: Desc;
      readonly dst: Desc;
      readonly postOps?: readonly PostOp[];
      readonly scales?: Pick<Scales, "src">;
    }
  /** `src [N, rows, depth] · weights [N, depth, columns]` */
  | {
      readonly primitive: "matrix product";
      readonly src: Desc;
      readonly weights: Desc;
      readonly dst: Desc;
      readonly scales?: Pick<Scales, "src">;
    }
  | { readonly primitive: "sum over all but channels"; readonly src: Desc; readonly dst: Desc }
  | { readonly primitive: "reorder"; readonly src: Desc; readonly dst: Desc; readonly scales?: Scales };

/** One window over the whole picture. */
export const wholePicture = (height: number, width: number): Window => ({
  strides: [height, width],
  padLow: [0, 0],
  padHigh: [0, 0],
});

/** The mean over the positions of each channel: `[N,C,H,W] → [N,C,1,1]`. */
export function meanOverPositions(src: Desc, dst: Desc): Spec {
  const [height, width] = src.dims.slice(2) as [number, number];
  const window = wholePicture(height, width);
  return { primitive: "pooling", pass: "inference", algorithm: "avg", src, dst, kernel: [height, width], window };
}

/** Arguments of a primitive at execution, by the numbers of the C API (the same in both versions). */
export const Arg = {
  src: 1,
  operand: 2,
  dst: 17,
  weights: 33,
  bias: 41,
  mean: 49,
  variance: 50,
  scale: 51,
  shift: 52,
  workspace: 64,
  diffSrc: 129,
  diffDst: 145,
  diffWeights: 161,
  diffBias: 169,
  diffScale: 255,
  diffShift: 256,
} as const;

/** What a primitive wants or has: by the numbers of the C API (the same in both versions). */
export const Query = {
  src: 129,
  diffSrc: 130,
  weights: 131,
  diffWeights: 132,
  dst: 133,
  diffDst: 134,
  workspace: 135,
} as const;

export type QueryName = keyof typeof Query;
