/** Configuration of pre-activation residual networks (family `preact`). */

import * as z from "../schema.ts";
import { positive } from "./bounds.ts";
import type { ConfigOf } from "./family.ts";
import { seSchema, styleSchema } from "./parts.ts";

export const preactSchema = z
  .strictObject({
    family: z.literal("preact"),
    /** `imagenet`: 7×7 stride 2, then max pooling; `cifar`: one 3×3 at full size. */
    stem: z.enum(["imagenet", "cifar"]),
    stemWidth: positive.check(z.lte(65536)),
    /** What follows the stem's convolution: batch norm and ReLU, ReLU alone, or nothing. */
    stemEnd: z.enum(["norm", "relu", "bare"]),
    /** Whether the input goes through a batch norm whose gamma stays 1. */
    inputNorm: z.boolean(),
    /** As in the family `resnet`; `same` also applies to convolutions with a stride. */
    pool: z.enum(["padded", "same"]),
    block: z.enum(["basic", "bottleneck"]),
    /** Blocks in each stage. */
    depths: z.array(positive.check(z.lte(1000))).check(z.minLength(1), z.maxLength(8)),
    /** Channels of each stage's 3×3 convolutions; a block's output has `expansion` times as many. */
    widths: z.array(positive.check(z.lte(65536))).check(z.minLength(1), z.maxLength(8)),
    expansion: positive.check(z.lte(64)),
    strideOn: z.enum(["1x1", "3x3"]),
    /** Whether the first block uses the stem's output without a batch norm. */
    activeStem: z.boolean(),
    /** Whether the first block of each stage projects its shortcut even if the shape stays the same. */
    projectFirst: z.boolean(),
    /** What a projected shortcut starts from, and how it is projected (nn/preact.ts). */
    shortcut: z.enum(["raw", "activated", "own"]),
    projection: z.union([z.literal(1), z.literal("padEnd")]),
    /** Whether convolutions have biases. */
    bias: z.boolean(),
    /**
     * `linear`: batch norm, ReLU, global average, classifier. `conv`: ReLU, batch norm, ReLU, and a 1×1 convolution to
     * the classes, averaged to the logits.
     */
    head: z.enum(["linear", "conv"]),
    se: z.optional(seSchema),
    /** Channels of the pictures; default: 3. */
    channels: z.exactOptional(positive.check(z.lte(1024))),
    ...styleSchema,
  })
  .check(z.refine(({ depths, widths }) => depths.length === widths.length, "as many widths as depths"));

export type PreactConfig = ConfigOf<typeof preactSchema>;
