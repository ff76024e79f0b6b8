/**
 * The closed set of operations, with their attributes.
 *
 * Operations are those of the literature: a convolution, a batch norm, the squeeze, the original's Axpy. Each
 * interpretation of the set (shapes, gradient, cost, every executor) is one total table `{ [K in Op]: ... }`, so that
 * an operation without a rule does not compile.
 *
 * Layouts: activations `[N, C, H, W]`, convolution weights `[O, I/groups, KH, KW]`, linear weights `[O, I]`, vectors `[C]`.
 */

import type { DType, Shape } from "../tensor.ts";
import type { Extent, Padding, WindowAttrs } from "./window.ts";

/** The kernel's extent is that of the weight. */
export interface ConvAttrs {
  readonly stride: Extent;
  readonly pad: Padding;
  readonly groups: number;
}

/** `ceil` rounds the output up as Caffe does (the last window still starts inside the padded input). */
export interface PoolAttrs extends WindowAttrs {
  readonly ceil: boolean;
}

export interface AvgPoolAttrs extends PoolAttrs {
  /**
   * Whether padding counts as zeros; default: yes, as in Caffe, where the sum is divided by the size of the window
   * clipped to the *padded* input. If not, it is divided by the number of real pixels (TensorFlow, MatConvNet).
   */
  readonly countPad?: boolean;
}

export interface AcrossAttrs {
  readonly eps: number;
  /**
   * Number of processes over whose pictures statistics are taken, each with equally many; default 1
   * (passes/sync-batch-norm.ts).
   */
  readonly ranks?: number;
}

export interface Attrs {
  // --- convolution and linear ---
  /** `x [N,C,H,W], w [O,C/groups,KH,KW], b? [O] → [N,O,H',W']` */
  conv2d: ConvAttrs;
  /** `dy, w → dx`; `inputShape` is x's shape, which dy does not determine if the stride does not divide it. */
  conv2dBackwardInput: ConvAttrs & { readonly inputShape: Shape };
  /** `x, dy → dw` of `weightShape`. */
  conv2dBackwardWeight: ConvAttrs & { readonly weightShape: Shape };
  /** `x [N,C,...] → [C]`: the sum over everything but the channel; the gradient of every bias. */
  channelSum: {};
  /** `x [N,I], w [O,I], b? [O] → [N,O]` */
  linear: {};
  /** `dy [N,O], w [O,I] → dx [N,I]` */
  linearBackwardInput: {};
  /** `x [N,I], dy [N,O] → dw [O,I]` */
  linearBackwardWeight: {};

  // --- normalisation ---
  /** With running statistics: `x, gamma [C], beta [C], mean [C], variance [C] → y` */
  batchNorm: { readonly eps: number };
  /** With the batch's own statistics: `x, gamma, beta → y, mean [C], variance [C]`; the variance is the biased one (divides by N·H·W). */
  batchNormTraining: AcrossAttrs;
  /** `x, gamma, mean, variance, dy → dx, dgamma, dbeta`, for `batchNormTraining`; mean and variance are the batch's. */
  batchNormBackward: AcrossAttrs;
  /**
   * `x, gamma, mean, variance, dy → dx, dgamma, dbeta`, for `batchNorm`, whose statistics are constants, so that dx is
   * dy scaled.
   */
  batchNormFrozenBackward: { readonly eps: number };
  /** `running, batch → decay·running + (1 − decay)·scale·batch`; `decay` is the weight of the *old* value, `scale` is n/(n−1) for variances. */
  runningAverage: { readonly decay: number; readonly scale: number };

  // --- elementwise ---
  relu: {};
  /** `y, dy → dx`; uses the output, so that the input need not be kept. */
  reluBackward: {};
  sigmoid: {};
  /** `y, dy → dx` */
  sigmoidBackward: {};
  /** `x · sigmoid(x)` (Hendrycks & Gimpel, arXiv 1606.08415; "swish" in arXiv 1710.05941). */
  silu: {};
  /** `x, dy → dx`; uses the input, since two inputs can have the same output. */
  siluBackward: {};
  /** `x · tanh(ln(1 + eˣ))` (Misra, arXiv 1908.08681). */
  mish: {};
  /** `x, dy → dx`; uses the input, as above. */
  mishBackward: {};
  /** `a, b → a + b`, same shape. */
  add: {};
  /** `x → factor · x` */
  multiply: { readonly factor: number };
  /**
   * `x, keep → x · keep`, same shape. `keep` is 0 or 1 / (1 − rate), drawn by the trainer for each number or, with
   * `byRow`, for each picture. Its gradient is the same operation.
   */
  dropout: { readonly rate: number; readonly byRow?: true };

  // --- joining ---
  /** Concatenates channels: `[N,C1,H,W], [N,C2,H,W], ... → [N,C1+C2+...,H,W]` */
  concat: {};
  /** `x [N,C,H,W] → [N,length,H,W]`: channels from `start` on; the gradient of `concat`. */
  channelSlice: { readonly start: number; readonly length: number };

  // --- pooling ---
  /** Ignores the padding. */
  maxPool: PoolAttrs;
  /** `x, dy → dx`; a window's gradient goes to its first largest value, in row order. */
  maxPoolBackward: PoolAttrs;
  avgPool: AvgPoolAttrs;
  /** `dy → dx` */
  avgPoolBackward: AvgPoolAttrs & { readonly inputShape: Shape };
  /** The squeeze: `[N,C,H,W] → [N,C,1,1]` */
  globalAvgPool: {};
  /** `dy [N,C,1,1] → dx` of `inputShape` */
  globalAvgPoolBackward: { readonly inputShape: Shape };

  // --- squeeze and excitation ---
  /** The original's Axpy: `gate [N,C,1,1], branch [N,C,H,W], shortcut [N,C,H,W] → gate·branch + shortcut` */
  seScaleAdd: {};
  /** The scale without a shortcut (SE-BN-Inception): `gate [N,C,1,1], x [N,C,H,W] → gate·x` */
  seScale: {};
  /** `gate, branch, dy → dgate, dbranch`, for both of the above; the shortcut's gradient is dy itself. */
  seScaleBackward: {};

  // --- eight bits ---
  /**
   * `x → round(x / scale)`, halves to even, clamped to 0 … 255 (`uint8`), or to −127 … 127 if `signed` (`int8`). Zero
   * stays zero, so padding does too.
   */
  quantize: { readonly scale: number; readonly signed: boolean };
  /**
   * `q → q · scale`, float32. As in ONNX's QDQ form, arithmetic is float32 between `dequantize` and `quantize`; engines
   * that compute in eight bits fuse the three.
   */
  dequantize: { readonly scale: number };
  /** `w int8 [O, ...], scale [O] → w · scale`: one scale per output channel. */
  dequantizeWeight: {};

  // --- head ---
  /** `[N, ...] → [N, rest]` */
  flatten: {};
  /** `dy → dx` of `inputShape` */
  flattenBackward: { readonly inputShape: Shape };
  /** `[N, K] → [N, K]`, rows sum to 1. */
  softmax: {};
  /** `logits [N,K], targets [N,K] → loss []`: the mean over the rows of −Σ target · log softmax. Targets may be soft. */
  softmaxCrossEntropy: {};
  /** `logits, targets, dloss [] → dlogits` */
  softmaxCrossEntropyBackward: {};
  /** `logits [N,K], targets [N,K] → loss []`: the mean over all elements; each class is a separate yes or no. */
  binaryCrossEntropy: {};
  /** `logits, targets, dloss [] → dlogits` */
  binaryCrossEntropyBackward: {};
  /**
   * `x, cues... → x`: x itself, but only after the cues have been computed. Delays what an engine with its own order
   * would compute too early (passes/recompute.ts).
   */
  after: {};
  /** A tensor filled with one value; starts the backward pass. */
  fill: { readonly value: number; readonly shape: Shape; readonly dtype: DType };
}

export type Op = keyof Attrs;

/** Operations with several outputs; all others have one. */
export interface OutputCounts {
  batchNormTraining: 3;
  batchNormBackward: 3;
  batchNormFrozenBackward: 3;
  seScaleBackward: 2;
}
