/** ResNets, ResNeXts and SENet-154, with and without squeeze and excitation: one function of a config. */

import * as z from "zod";
import type { Value } from "../ir/graph.ts";
import { basicBlock, bottleneck } from "../nn/blocks.ts";
import { activations } from "../nn/layers.ts";
import type { Scope } from "../nn/scope.ts";
import { positive } from "./bounds.ts";
import type { ConfigOf, Family, HasConv, ZooEntry } from "./family.ts";
import { bothWays, head, normedAct, releasedSe, seOfBlock, seSchema } from "./parts.ts";

const schema = z
  .strictObject({
    family: z.literal("resnet"),
    /** `imagenet`: 7×7 stride 2, then max pooling; `deep`: three 3×3 instead of the 7×7; `cifar`: one 3×3 at full size. */
    stem: z.enum(["imagenet", "deep", "cifar"]),
    /** Channels of a deep stem's three convolutions; default: 64, 64, 128. */
    stemWidths: z.tuple([positive.max(65536), positive.max(65536), positive.max(65536)]).exactOptional(),
    /** `caffe`: no padding, rounded up (the released models); `padded`: padding 1, rounded down (torchvision, timm). */
    pool: z.enum(["caffe", "padded"]),
    block: z.enum(["basic", "bottleneck"]),
    /** Blocks in each stage. */
    depths: z.array(positive.max(1000)).min(1).max(8),
    /** Channels of each stage's 3×3 convolutions. */
    widths: z.array(positive.max(65536)).min(1).max(8),
    /** A block puts out so many times its width. */
    expansion: positive.max(64),
    /** The first 1×1 of a bottleneck has so large a part of the width; 1/2 in SENet-154. */
    reduce: z.number().positive().max(1),
    /** Groups of a bottleneck's 3×3 convolution. */
    groups: positive.max(65536),
    /** Which convolution of a bottleneck has the stride. */
    strideOn: z.enum(["1x1", "3x3"]),
    /** What shortcuts do where the shape changes. */
    projection: z.union([z.literal(1), z.literal(3), z.literal("pad"), z.literal("average")]),
    /** What gamma of each block's last batch norm begins with; default: 1. */
    lastGamma: z.number().exactOptional(),
    /** Part of the features that is dropped before the classifier when training. */
    dropout: z.number().min(0).lt(1),
    se: seSchema.optional(),
    /** Channels of the pictures; default: 3. */
    channels: positive.max(1024).exactOptional(),
    /** Whether the branch of a basic block ends in a ReLU, before the gate (timm's legacy SE-ResNets). */
    branchRelu: z.boolean().exactOptional(),
    /** What stands between the layers, except within squeeze and excitation; default: ReLU. */
    act: z.enum(activations).exactOptional(),
  })
  .refine(({ depths, widths }) => depths.length === widths.length, "as many widths as depths");

export type ResNetConfig = ConfigOf<typeof schema>;
type Entry = ZooEntry<ResNetConfig>;

const defaults = {
  family: "resnet",
  stem: "imagenet",
  pool: "caffe",
  widths: [64, 128, 256, 512],
  reduce: 1,
  groups: 1,
  strideOn: "1x1",
  projection: 1,
  dropout: 0,
} as const;

const basic = (...depths: number[]): ResNetConfig => ({ ...defaults, block: "basic", expansion: 1, depths });
const deep = (...depths: number[]): ResNetConfig => ({ ...defaults, block: "bottleneck", expansion: 4, depths });

/** 32 groups of 4 channels at the first stage. */
const resnext = (...depths: number[]): ResNetConfig => ({
  ...deep(...depths),
  widths: [128, 256, 512, 1024],
  expansion: 2,
  groups: 32,
  strideOn: "3x3",
});

/** What won ILSVRC 2017 (paper, section 6.4 of the appendix; docs/networks.md, 1.3). */
const senet154: ResNetConfig = {
  ...deep(3, 8, 36, 3),
  stem: "deep",
  widths: [256, 512, 1024, 2048],
  expansion: 1,
  reduce: 0.5,
  groups: 64,
  strideOn: "3x3",
  projection: 3,
  dropout: 0.2,
  se: releasedSe,
};

/** He et al.'s CIFAR family: 6n + 2 layers. */
const cifar = (n: number): ResNetConfig => ({ ...basic(n, n, n), stem: "cifar", widths: [16, 32, 64] });

/** The same network with the stride on the 3×3 and padded pooling, which timm's and torchvision's weights are for. */
const modern = (config: ResNetConfig): ResNetConfig => ({ ...config, strideOn: "3x3", pool: "padded" });

/**
 * The "D" kind of He, T. et al. (arXiv 1812.01187, section 4), in timm's sizes: three 3×3 in the stem, shortcuts that
 * average before they change the shape; and fresh blocks that pass their shortcut on.
 */
const d = (config: ResNetConfig): ResNetConfig => ({
  ...modern(config),
  stem: "deep",
  stemWidths: [32, 32, 64],
  projection: "average",
  lastGamma: 0,
});

const onImagenet = (config: ResNetConfig): Entry => ({ config, imageSize: 224, classes: 1000 });
const onCifar = (config: ResNetConfig): Entry => ({ config, imageSize: 32, classes: 10 });

const all: Readonly<Record<string, Entry>> = {
  ...bothWays({
    "resnet-18": onImagenet(basic(2, 2, 2, 2)),
    "resnet-34": onImagenet(basic(3, 4, 6, 3)),
    "resnet-50": onImagenet(deep(3, 4, 6, 3)),
    "resnet-101": onImagenet(deep(3, 4, 23, 3)),
    "resnet-152": onImagenet(deep(3, 8, 36, 3)),
    "resnet-50-modern": onImagenet(modern(deep(3, 4, 6, 3))),
    "resnet-101-modern": onImagenet(modern(deep(3, 4, 23, 3))),
    "resnet-152-modern": onImagenet(modern(deep(3, 8, 36, 3))),
    "resnet-10-d": onImagenet(d(basic(1, 1, 1, 1))),
    "resnet-18-d": onImagenet(d(basic(2, 2, 2, 2))),
    "resnet-34-d": onImagenet(d(basic(3, 4, 6, 3))),
    "resnet-50-d": onImagenet(d(deep(3, 4, 6, 3))),
    "resnext-50": onImagenet(resnext(3, 4, 6, 3)),
    "resnext-101": onImagenet(resnext(3, 4, 23, 3)),
    "resnet-20": onCifar(cifar(3)),
    "resnet-32": onCifar(cifar(5)),
    "resnet-56": onCifar(cifar(9)),
    "resnet-110": onCifar(cifar(18)),
  }),
  "senet-154": onImagenet(senet154),
};

/** Deeper ones nobody has trained (He et al. had 1,202 layers). */
const deepestCifar = 1202;

/** He et al.'s family for CIFAR has every depth of 6n + 2, of which the list names a few. */
function cifarNamed(name: string): Entry | undefined {
  const depth = Number(/^(?:se-)?resnet-([1-9]\d*)(?:-cifar)?$/.exec(name)?.[1] ?? Number.NaN);
  if (!(depth >= 8 && depth <= deepestCifar && depth % 6 === 2)) return undefined;
  const config = cifar((depth - 2) / 6);
  return onCifar(name.startsWith("se-") ? { ...config, se: releasedSe } : config);
}

/** The name of the network for CIFAR with so many blocks a stage: `resnet-44`; those of 50 and 152 layers end in `-cifar`. */
function cifarName(blocks: number, hasSe: boolean): string {
  const name = `${hasSe ? "se-" : ""}resnet-${6 * blocks + 2}`;
  return all[name]?.imageSize === 224 ? `${name}-cifar` : name;
}

/** Those for CIFAR whose first stage has the file's blocks. */
function cifarNames(has: HasConv): readonly string[] {
  const mostBlocks = (deepestCifar - 2) / 6;
  let blocks = 0;
  while (blocks < mostBlocks && has(`layer1.${blocks}.conv1`)) blocks++;
  return blocks === 0 ? [] : [cifarName(blocks, true), cifarName(blocks, false)];
}

/** Any height and width that leave one position after the last stride. */
function build(scope: Scope, image: Value, config: ResNetConfig, classes: number): Value {
  const {
    depths,
    widths,
    expansion,
    groups,
    strideOn,
    projection,
    branchRelu = false,
    lastGamma = 1,
    act = "relu",
  } = config;
  let x = stem(scope, image, config);
  let blocks = 0;
  depths.forEach((depth, stage) => {
    const width = widths[stage]!;
    for (let block = 0; block < depth; block++) {
      const at = scope
        .at(`layer${stage + 1}`)
        .at(block)
        .asBlock(stage + 1);
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const se = seOfBlock(config.se, blocks++);
      const options = { out: width * expansion, stride, projection, se, act, ...(lastGamma !== 1 && { lastGamma }) };
      x =
        config.block === "basic"
          ? basicBlock(at, x, { ...options, branchRelu })
          : bottleneck(at, x, { ...options, reduce: width * config.reduce, width, groups, strideOn });
    }
  });
  return head(scope, x, config.dropout, classes);
}

function stem(scope: Scope, image: Value, config: ResNetConfig): Value {
  const { stem, stemWidths = [64, 64, 128], pool, widths, act = "relu" } = config;
  if (stem === "cifar") return normedAct(scope, "1", image, { out: widths[0]!, kernel: 3 }, act);
  let x = image;
  if (stem === "imagenet") x = normedAct(scope, "1", x, { out: 64, kernel: 7, stride: 2 }, act);
  else {
    for (const [i, out] of stemWidths.entries()) {
      x = normedAct(scope.at("stem"), `${i + 1}`, x, { out, kernel: 3, stride: i === 0 ? 2 : 1 }, act);
    }
  }
  // Both paddings give the same size at 224; the other one shifts every window by a pixel (docs/networks.md, trap 2).
  const window = pool === "caffe" ? { pad: 0, ceil: true } : { pad: 1, ceil: false };
  return scope.at("maxpool").apply("maxPool", [x], { kernel: 3, stride: 2, ...window });
}

export const resnet: Family<typeof schema> = {
  schema,
  networks: {
    ...all,
    // The table of the original repository.
    "se-resnet-50": { ...all["se-resnet-50"]!, published: { top1Error: 22.37, top5Error: 6.36 } },
    "se-resnet-101": { ...all["se-resnet-101"]!, published: { top1Error: 21.75, top5Error: 5.72 } },
    "se-resnet-152": { ...all["se-resnet-152"]!, published: { top1Error: 21.34, top5Error: 5.54 } },
    "se-resnext-50": { ...all["se-resnext-50"]!, published: { top1Error: 20.97, top5Error: 5.54 } },
    "se-resnext-101": { ...all["se-resnext-101"]!, published: { top1Error: 19.81, top5Error: 4.96 } },
    "senet-154": { ...all["senet-154"]!, published: { top1Error: 18.68, top5Error: 4.47 } },
  },
  networkNamed: cifarNamed,
  build,
  imageSize: () => 64,
  fewestTensors: ({ depths }) => depths.reduce((sum, depth) => sum + depth, 0),
  hasOurNames: true,
  // Its stem and its blocks are of the file's kind, and the blocks as many.
  isIn: ({ stem, block, depths }, has) =>
    has("stem.conv2") === (stem === "deep") &&
    has("layer1.0.conv3") === (block === "bottleneck") &&
    depths.every((depth, i) => has(`layer${i + 1}.${depth - 1}.conv1`) && !has(`layer${i + 1}.${depth}.conv1`)),
  namesIn: cifarNames,
  withStructure(
    config,
    { strideOn = config.strideOn, pool = config.pool, projection = config.projection, branchRelu },
  ) {
    return {
      ...config,
      projection,
      strideOn: config.block === "bottleneck" ? strideOn : config.strideOn,
      pool: config.stem === "cifar" ? config.pool : pool,
      ...(branchRelu === true && config.block === "basic" && { branchRelu }),
    };
  },
  withChannels: (config, channels) => ({ ...config, channels }),
  withAct: (config, act) => (act === (config.act ?? "relu") ? config : { ...config, act }),
  changes: (from, to) => [
    ...(from.strideOn === to.strideOn ? [] : [`stride${to.strideOn}`]),
    ...(from.pool === to.pool ? [] : [`${to.pool}pool`]),
    ...(from.projection === to.projection ? [] : [`${to.projection}shortcut`]),
    ...(to.branchRelu === true && to.se !== undefined ? ["branchrelu"] : []),
    ...((from.act ?? "relu") === (to.act ?? "relu") ? [] : [to.act ?? "relu"]),
  ],
};
