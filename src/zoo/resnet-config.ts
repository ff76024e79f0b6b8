/** Configuration of residual networks (family `resnet`). */

import { activations } from "../nn/layers.ts";
import * as z from "../schema.ts";
import { positive } from "./bounds.ts";
import type { ConfigOf } from "./family.ts";
import { seSchema, styleSchema } from "./parts.ts";

export const resnetSchema = z
  .strictObject({
    family: z.literal("resnet"),
    /** `imagenet`: 7×7 stride 2, then max pooling; `deep`: three 3×3 instead of the 7×7; `cifar`: one 3×3 at full size. */
    stem: z.enum(["imagenet", "deep", "cifar"]),
    /** Channels of a deep stem's three convolutions; default: 64, 64, 128. */
    stemWidths: z.exactOptional(
      z.tuple([positive.check(z.lte(65536)), positive.check(z.lte(65536)), positive.check(z.lte(65536))]),
    ),
    /** Channels of the stem for CIFAR; default: the first width. */
    stemWidth: z.exactOptional(positive.check(z.lte(65536))),
    /** Whether the CIFAR stem's convolution has no batch norm and activation; default: no. */
    stemBare: z.exactOptional(z.boolean()),
    /** Whether the input goes through a batch norm whose gamma stays 1; default: no. */
    inputNorm: z.exactOptional(z.boolean()),
    /**
     * `caffe`: no padding, rounded up (the released models); `padded`: padding 1, rounded down (torchvision, timm);
     * `same`: TensorFlow's padding, also for convolutions with a stride.
     */
    pool: z.enum(["caffe", "padded", "same"]),
    block: z.enum(["basic", "bottleneck"]),
    /** Blocks in each stage. */
    depths: z.array(positive.check(z.lte(1000))).check(z.minLength(1), z.maxLength(8)),
    /** Channels of each stage's 3×3 convolutions. */
    widths: z.array(positive.check(z.lte(65536))).check(z.minLength(1), z.maxLength(8)),
    /** Output channels of each stage's blocks, if not the width times the expansion. */
    outs: z.exactOptional(z.array(positive.check(z.lte(65536))).check(z.minLength(1), z.maxLength(8))),
    /** A block's output channels per width. */
    expansion: positive.check(z.lte(64)),
    /** Width of a bottleneck's first 1×1 convolution, as a share of the width; 1/2 in SENet-154. */
    reduce: z.number().check(z.gt(0), z.lte(1)),
    /** Groups of a bottleneck's 3×3 convolution. */
    groups: positive.check(z.lte(65536)),
    /** Which convolution of a bottleneck has the stride. */
    strideOn: z.enum(["1x1", "3x3"]),
    /** How shortcuts change shape. */
    projection: z.union([z.literal(1), z.literal(3), z.enum(["pad", "average", "averagePad", "padEnd"])]),
    /**
     * Whether the first block of each stage has a convolution in its shortcut even if the shape stays the same;
     * default: no.
     */
    projectFirst: z.exactOptional(z.boolean()),
    /** Initial gamma of each block's last batch norm; default: 1. */
    lastGamma: z.exactOptional(z.number()),
    /** Share of the features dropped before the classifier in training. */
    dropout: z.number().check(z.gte(0), z.lt(1)),
    se: z.optional(seSchema),
    /** Whether the classifier has a bias; default: yes. */
    classifierBias: z.exactOptional(z.boolean()),
    ...styleSchema,
    /** Channels of the pictures; default: 3. */
    channels: z.exactOptional(positive.check(z.lte(1024))),
    /** Whether the branch of a basic block ends in a ReLU, before the gate (timm's legacy SE-ResNets). */
    branchRelu: z.exactOptional(z.boolean()),
    /** The activation, except inside squeeze and excitation; default: ReLU. */
    act: z.exactOptional(z.enum(activations)),
  })
  .check(
    z.refine(
      ({ depths, widths, outs = widths }) => depths.length === widths.length && depths.length === outs.length,
      "as many widths as depths",
    ),
  );

export type ResNetConfig = ConfigOf<typeof resnetSchema>;
