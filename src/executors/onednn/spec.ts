/** oneDNN's primitives as data: what the lowering asks for, in terms common to both versions of the C API. */

import type { Shape } from "../../tensor.ts";

/** A description of memory: dimensions, element type, layout. Created and understood only by an `Api`. */
export interface Desc {
  readonly handle: bigint | Uint8Array;
  readonly dims: readonly number[];
  readonly type: ElementType;
}

export type ElementType = "f32" | "bf16" | "s8" | "u8";

/**
 * `any` lets the primitive choose; `plain` is row-major; `channelsLast` stores all channels of a position together, as the
 * library's eight-bit code does; `blocked16` and `blocked8` store blocks of 16 or 8 channels together (oneDNN's nChw16c; for
 * weights of a depthwise convolution, Goihw16g). `weights16` is the layout that convolutions want for weights, blocks of
 * 16 × 16 with output channels innermost (OIhw16i16o); `weights16Backward` the one that their input gradient wants, with
 * input channels innermost (OIhw16o16i).
 */
export type Layout = "any" | "plain" | "channelsLast" | "blocked16" | "blocked8" | "weights16" | "weights16Backward";

/** Number of channels that fill a vector on this machine; undefined without AVX2. */
export type ChannelBlock = 16 | 8 | undefined;

/**
 * A plan's layout of pictures between operations: blocks of channels, or all channels last. Which is faster depends on
 * the library's code for the processor.
 */
export interface Standing {
  readonly layout: PlanLayout;
  readonly block: ChannelBlock;
}

export const planLayouts = ["blocks", "channelsLast"] as const;
export type PlanLayout = (typeof planLayouts)[number];

/** Layout of a value between operations: the plan's if its number of channels allows it, otherwise row-major. */
export function layoutOf(shape: Shape, { layout, block }: Standing): Layout {
  const [, channels = 0, height = 1, width = 1] = shape;
  if (block === undefined || shape.length !== 4 || height * width === 1) return "plain";
  // For input pictures with three channels, the first convolution prefers yet another layout.
  if (layout === "channelsLast") return channels < block ? "plain" : "channelsLast";
  return channels % block === 0 ? `blocked${block}` : "plain";
}

/** Functions of one number. */
export type Eltwise = "relu" | "sigmoid" | "silu" | "mish" | "sqrt" | "linear";

/**
 * Scales: factors that convert eight-bit numbers to the values they stand for, one for all or, for weights, one per
 * output channel. For the destination, results are divided by the scale before rounding.
 */
export interface Scales {
  readonly src?: number;
  readonly weights?: Float32Array;
  readonly dst?: number;
}

/** Post-operations: applied to each result before it is written, in order. */
export type PostOp =
  | { readonly kind: Exclude<Eltwise, "linear"> }
  /** `alpha · x + beta` */
  | { readonly kind: "linear"; readonly alpha: number; readonly beta: number }
  | { readonly kind: "add" | "mul" | "div"; readonly operand: Desc }
  /** Adds `scale` times the destination's old value. */
  | { readonly kind: "sum"; readonly scale: number };

export interface Window {
  readonly strides: readonly number[];
  /** Padding before the first position; `padHigh` after the last. */
  readonly padLow: readonly number[];
  readonly padHigh: readonly number[];
}

/** In backward passes, `src`, `weights` and `dst` stand for the corresponding gradients. */
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
      /**
       * Winograd's algorithm needs a quarter of the products, for 3×3 at stride 1 (arXiv 1509.09308). Default: direct.
       */
      readonly algorithm?: "direct" | "winograd";
      readonly window: Window;
    } & Weighted)
  | ({ readonly primitive: "innerProduct" } & Weighted)
  | {
      readonly primitive: "batchNorm";
      /**
       * `inference` and `forwardByGiven` use given statistics; the latter keeps what the gradient needs, which
       * `frozenBackward` computes.
       */
      readonly pass: "forward" | "forwardByGiven" | "inference" | "backward" | "frozenBackward";
      readonly data: Desc;
      readonly eps: number;
      readonly relu: boolean;
    }
  | {
      readonly primitive: "eltwise";
      readonly pass: "forward" | "backward";
      /** ReLU's and sigmoid's gradients use their result, the others' their argument. */
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
      /** Dimensions of 1 are broadcast. */
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

/** Keys for querying memory descriptions, as in the C API (the same in both versions). */
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
