/** Residual networks with the activation before the convolutions (nn/preact.ts), as four ports have them. */

import * as z from "zod";
import type { Value } from "../ir/graph.ts";
import { batchNorm, conv2d, relu } from "../nn/layers.ts";
import { preactBlock } from "../nn/preact.ts";
import type { Scope } from "../nn/scope.ts";
import { positive } from "./bounds.ts";
import type { ConfigOf, Family } from "./family.ts";
import { head, poolStem, seOfBlock, seSchema, styleSchema } from "./parts.ts";
import { preactPorts } from "./preact-ports.ts";

const schema = z
  .strictObject({
    family: z.literal("preact"),
    /** `imagenet`: 7×7 stride 2, then max pooling; `cifar`: one 3×3 at full size. */
    stem: z.enum(["imagenet", "cifar"]),
    stemWidth: positive.max(65536),
    /** What follows the stem's convolution: batch norm and ReLU, ReLU alone, or nothing. */
    stemEnd: z.enum(["norm", "relu", "bare"]),
    /** Whether pictures are normalised by a batch norm whose gamma stays 1. */
    inputNorm: z.boolean(),
    /** As in the family `resnet`; `same` goes for the convolutions with a stride too. */
    pool: z.enum(["padded", "same"]),
    block: z.enum(["basic", "bottleneck"]),
    /** Blocks in each stage. */
    depths: z.array(positive.max(1000)).min(1).max(8),
    /** Channels of each stage's 3×3 convolutions; a block puts out so many times its width. */
    widths: z.array(positive.max(65536)).min(1).max(8),
    expansion: positive.max(64),
    strideOn: z.enum(["1x1", "3x3"]),
    /** Whether the very first block takes what the stem gives as it is, without a batch norm. */
    activeStem: z.boolean(),
    /** Whether the first block of each stage changes its shortcut even where the shape stays. */
    projectFirst: z.boolean(),
    /** What a shortcut that changes begins with, and how it changes (nn/preact.ts). */
    shortcut: z.enum(["raw", "activated", "own"]),
    projection: z.union([z.literal(1), z.literal("padEnd")]),
    /** Whether convolutions have biases. */
    bias: z.boolean(),
    /**
     * `linear`: batch norm, ReLU, global average, classifier. `conv`: ReLU, batch norm, ReLU, and a 1×1 convolution to the
     * classes, whose average the logits are.
     */
    head: z.enum(["linear", "conv"]),
    se: seSchema.optional(),
    /** Channels of the pictures; default: 3. */
    channels: positive.max(1024).exactOptional(),
    ...styleSchema,
  })
  .refine(({ depths, widths }) => depths.length === widths.length, "as many widths as depths");

export type PreactConfig = ConfigOf<typeof schema>;

function build(start: Scope, image: Value, config: PreactConfig, classes: number): Value {
  const { depths, widths, expansion, strideOn, shortcut, projection, bias, block: kind } = config;
  const scope = start.styled(config);
  let x = stem(scope, image, config);
  const pad = config.pool === "same" && ({ pad: "same" } as const);
  let blocks = 0;
  for (const [stage, depth] of depths.entries()) {
    for (let block = 0; block < depth; block++) {
      const at = scope
        .at(`layer${stage + 1}`)
        .at(block)
        .asBlock(stage + 1);
      x = preactBlock(at, x, {
        ...{
          block: kind,
          out: widths[stage]! * expansion,
          width: widths[stage]!,
          strideOn,
          shortcut,
          projection,
          bias,
        },
        ...pad,
        stride: stage > 0 && block === 0 ? 2 : 1,
        isActive: config.activeStem && blocks === 0,
        projects: config.projectFirst && block === 0,
        se: seOfBlock(config.se, blocks++),
      });
    }
  }
  if (config.head === "conv") return convHead(scope, x, classes);
  return head(scope, relu(scope.at("relu"), batchNorm(scope.at("norm"), x)), 0, classes);
}

function stem(scope: Scope, image: Value, { stem, stemWidth, stemEnd, inputNorm, pool, bias }: PreactConfig): Value {
  const input = inputNorm ? batchNorm(scope.at("bn0"), image, { fixedGamma: true }) : image;
  const pad = pool === "same" && ({ pad: "same" } as const);
  const window = stem === "imagenet" ? { kernel: 7, stride: 2, ...pad } : { kernel: 3 };
  let x = conv2d(scope.at("conv1"), input, { out: stemWidth, ...window, bias });
  if (stemEnd === "norm") x = batchNorm(scope.at("bn1"), x);
  if (stemEnd !== "bare") x = relu(scope.at("relu1"), x);
  return stem === "imagenet" ? poolStem(scope, x, pool) : x;
}

function convHead(scope: Scope, x: Value, classes: number): Value {
  const active = relu(scope.at("relu"), batchNorm(scope.at("norm"), relu(scope.at("relu0"), x)));
  const maps = conv2d(scope.at("fc").tagged("head"), active, {
    out: classes,
    kernel: 1,
    bias: true,
    part: "classifier",
  });
  return scope.at("flatten").apply("flatten", [scope.at("pool").apply("globalAvgPool", [maps], {})], {});
}

export const preact: Family<typeof schema> = {
  schema,
  networks: preactPorts,
  build,
  imageSize: () => 64,
  fewestTensors: ({ depths }) => depths.reduce((sum, depth) => sum + depth, 0),
  hasOurNames: true,
  isIn: ({ depths }, has) =>
    depths.every((depth, i) => has(`layer${i + 1}.${depth - 1}.conv1`) && !has(`layer${i + 1}.${depth}.conv1`)),
  withStructure: (config) => config,
  withChannels: (config, channels) => ({ ...config, channels }),
  changes: () => [],
};
