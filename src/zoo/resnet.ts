/** ResNets, ResNeXts and SENet-154, with and without squeeze and excitation, by name. */

import type { Family, HasConv } from "./family.ts";
import { bothWays, releasedSe } from "./released.ts";
import { builtResnet } from "./resnet-build.ts";
import type { ResNetConfig, resnetSchema } from "./resnet-config.ts";
import { basic, cifar, d, deep, type Entry, modern, onCifar, onImagenet, resnext } from "./resnet-kinds.ts";
import { resnetPorts } from "./resnet-ports.ts";

export type { ResNetConfig } from "./resnet-config.ts";

/** ResNeXts whose 3×3 convolutions are as wide as the blocks' outputs: 32 groups of 8, 64 of 4. */
const wider = (groups: number, ...depths: number[]): ResNetConfig => ({
  ...resnext(...depths),
  widths: [256, 512, 1024, 2048],
  expansion: 1,
  groups,
});

/** timm's "t": like "d", with a stem of increasing widths. */
const t = (config: ResNetConfig): ResNetConfig => ({ ...d(config), stemWidths: [24, 32, 64] });

/** The winner of ILSVRC 2017 (paper, section 6.4 of the appendix; docs/networks.md, 1.3). */
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
    "resnext-26": onImagenet(resnext(2, 2, 2, 2)),
    "resnext-101-32x8d": onImagenet(modern(wider(32, 3, 4, 23, 3))),
    "resnext-101-64x4d": onImagenet(modern(wider(64, 3, 4, 23, 3))),
    "resnet-152-d": onImagenet(d(deep(3, 8, 36, 3))),
    "resnet-50-t": onImagenet(t(deep(3, 4, 6, 3))),
    "resnext-26-d": onImagenet(d(resnext(2, 2, 2, 2))),
    "resnext-26-t": onImagenet(t(resnext(2, 2, 2, 2))),
    "resnext-101-32x8d-d": onImagenet(d(wider(32, 3, 4, 23, 3))),
    "resnet-20": onCifar(cifar(3)),
    "resnet-32": onCifar(cifar(5)),
    "resnet-56": onCifar(cifar(9)),
    "resnet-110": onCifar(cifar(18)),
  }),
  "senet-154": onImagenet(senet154),
  "wide-resnet-50-2": onImagenet(modern({ ...deep(3, 4, 6, 3), widths: [128, 256, 512, 1024], expansion: 2 })),
};

/** He et al.'s deepest has 1,202 layers. */
const deepestCifar = 1202;

/** He et al.'s CIFAR networks of any depth 6n + 2, of which the list names a few. */
function cifarNamed(name: string): Entry | undefined {
  const depth = Number(/^(?:se-)?resnet-([1-9]\d*)(?:-cifar)?$/.exec(name)?.[1] ?? Number.NaN);
  if (!(depth >= 8 && depth <= deepestCifar && depth % 6 === 2)) return undefined;
  const config = cifar((depth - 2) / 6);
  return onCifar(name.startsWith("se-") ? { ...config, se: releasedSe } : config);
}

/**
 * Name of the CIFAR network with `blocks` blocks per stage: `resnet-44`; those with 50 and 152 layers end in `-cifar`.
 */
function cifarName(blocks: number, hasSe: boolean): string {
  const name = `${hasSe ? "se-" : ""}resnet-${6 * blocks + 2}`;
  return all[name]?.imageSize === 224 ? `${name}-cifar` : name;
}

/** The CIFAR networks with as many blocks as the file's first stage. */
function cifarNames(has: HasConv): readonly string[] {
  const mostBlocks = (deepestCifar - 2) / 6;
  let blocks = 0;
  while (blocks < mostBlocks && has(`layer1.${blocks}.conv1`)) blocks++;
  return blocks === 0 ? [] : [cifarName(blocks, true), cifarName(blocks, false)];
}

export const resnet: Family<typeof resnetSchema> = {
  ...builtResnet,
  networks: {
    ...all,
    // Figures of the original repository's table.
    "se-resnet-50": { ...all["se-resnet-50"]!, published: { top1Error: 22.37, top5Error: 6.36 } },
    "se-resnet-101": { ...all["se-resnet-101"]!, published: { top1Error: 21.75, top5Error: 5.72 } },
    "se-resnet-152": { ...all["se-resnet-152"]!, published: { top1Error: 21.34, top5Error: 5.54 } },
    "se-resnext-50": { ...all["se-resnext-50"]!, published: { top1Error: 20.97, top5Error: 5.54 } },
    "se-resnext-101": { ...all["se-resnext-101"]!, published: { top1Error: 19.81, top5Error: 4.96 } },
    "senet-154": { ...all["senet-154"]!, published: { top1Error: 18.68, top5Error: 4.47 } },
    ...resnetPorts,
  },
  networkNamed: cifarNamed,
  hasOurNames: true,
  // The stem, the kind of blocks and their number must match the file.
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
