/** Parts shared by several families. */

import type { Value } from "../ir/graph.ts";
import { samePadding } from "../ir/window.ts";
import { initialisations } from "../nn/init.ts";
import { type Activation, activate, batchNorm, type ConvOptions, conv2d, dropout, linear } from "../nn/layers.ts";
import type { Scope } from "../nn/scope.ts";
import type { SqueezeExcitation } from "../nn/se.ts";
import * as z from "../schema.ts";
import { positive } from "./bounds.ts";
import type { ConfigOf } from "./family.ts";

/** Squeeze-and-excitation settings of a whole network. */
export const seSchema = z.strictObject({
  reduction: positive,
  bias: z.boolean(),
  /** Units of the hidden layers, block by block, if they are not C/reduction. */
  hidden: z.exactOptional(z.array(positive.check(z.lte(65536))).check(z.minLength(1), z.maxLength(8000))),
  /** Whether the ReLU between the two layers is missing; default: no. */
  linear: z.exactOptional(z.boolean()),
});

export type SeConfig = ConfigOf<typeof seSchema>;

/** Settings common to all layers, if not the usual ones (nn/scope.ts). */
export const styleSchema = {
  norm: z.exactOptional(
    z.strictObject({
      eps: z.number().check(z.gt(0), z.lte(1)),
      decay: z.number().check(z.gte(0), z.lte(1)),
      variance: z.exactOptional(z.number().check(z.gte(0), z.lte(1))),
    }),
  ),
  init: z.exactOptional(z.enum(initialisations)),
};

/** All paddings give the same size at 224, but shift the windows by a pixel (docs/networks.md, trap 2). */
export function poolStem(scope: Scope, x: Value, pool: "caffe" | "padded" | "same"): Value {
  const pad = pool === "caffe" ? 0 : pool === "padded" ? 1 : samePadding(x.type.shape, 3, 2);
  return scope.at("maxpool").apply("maxPool", [x], { kernel: 3, stride: 2, pad, ceil: pool === "caffe" });
}

/** The settings of the block with this index. */
export function seOfBlock(se: SeConfig | undefined, block: number): SqueezeExcitation | undefined {
  if (se === undefined) return undefined;
  const { hidden: all, ...both } = se;
  const hidden = all?.[block];
  return hidden === undefined ? both : { ...both, hidden };
}

/**
 * Global average pooling, dropout in training, classifier. Global, so that pictures of any size work (docs/networks.md,
 * trap 13).
 */
export function head(scope: Scope, x: Value, dropoutRate: number, classes: number, bias?: boolean): Value {
  const pooled = scope.at("pool").apply("globalAvgPool", [x], {});
  const features = scope.at("flatten").tagged("features").apply("flatten", [pooled], {});
  return linear(scope.at("fc").tagged("head"), dropout(scope.at("dropout"), features, dropoutRate), classes, bias);
}

/** `convN`, `bnN`, then `reluN` or another activation: the unit of stems and Inception modules. */
export function normedAct(scope: Scope, n: string, x: Value, options: ConvOptions, act: Activation = "relu"): Value {
  return activate(scope.at(`${act}${n}`), batchNorm(scope.at(`bn${n}`), conv2d(scope.at(`conv${n}`), x, options)), act);
}
