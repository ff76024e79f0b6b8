/** The ports' residual networks with the activation after the sum, each as in its authors' code (docs/networks.md). */

import type { Port } from "./family.ts";
import { releasedSe } from "./released.ts";
import type { ResNetConfig } from "./resnet-config.ts";
import { basic, cifar, deep, type Entry, modern, onCifar, onImagenet, resnext } from "./resnet-kinds.ts";

const under = (port: Port, entry: Entry): Entry => ({ ...entry, port });

// --- tensorpack: examples/ResNet since 19 September 2017 ---

const tensorpackSource = "tensorpack/tensorpack, examples/ResNet";
const tensorpackNorm = { norm: { eps: 1e-5, decay: 0.9 }, init: "tensorpack", lastGamma: 0 } as const;
const same = (config: ResNetConfig): ResNetConfig => ({ ...modern(config), pool: "same", ...tensorpackNorm });

/** Blocks by depth, as in torchvision. */
const torchDepths = {
  "18": basic(2, 2, 2, 2),
  "34": basic(3, 4, 6, 3),
  "50": deep(3, 4, 6, 3),
  "101": deep(3, 4, 23, 3),
  "152": deep(3, 8, 36, 3),
};

const reachedByTensorpack: Readonly<Record<string, string>> = {
  "se-50": "22.64 % top-1, 6.24 % top-5 error (its README)",
  "50": "23.61 % top-1, 6.85 % top-5 error (its README)",
};

const tensorpack: Record<string, Entry> = Object.fromEntries(
  Object.entries(torchDepths).flatMap(([depth, config]) => {
    const port = (key: string): Port => {
      const reached = reachedByTensorpack[key];
      return { source: tensorpackSource, paper: `ResNet-${depth}`, ...(reached !== undefined && { reached }) };
    };
    const plain = under(port(depth), onImagenet(same(config)));
    const withSe = under(
      { ...port(`se-${depth}`), paper: `SE-ResNet-${depth}` },
      onImagenet({ ...same(config), se: releasedSe }),
    );
    return [
      ...(config.block === "bottleneck" ? [[`tensorpack-se-resnet-${depth}`, withSe] as const] : []),
      [`tensorpack-resnet-${depth}`, plain] as const,
    ];
  }),
);
for (const [depth, config] of Object.entries({ "50": resnext(3, 4, 6, 3), "101": resnext(3, 4, 23, 3) })) {
  const port = { source: tensorpackSource, paper: `ResNeXt-${depth}, 32x4d` };
  tensorpack[`tensorpack-resnext-${depth}`] = under(port, onImagenet(same(config)));
}

// --- bruinxiong: SE-ResNeXt ---

const bruinxiongSource = "bruinxiong/SENet.mxnet";
/** A batch norm on the input, and a convolution in the shortcut of every stage's first block. */
const bruinxiongStyle = {
  inputNorm: true,
  projectFirst: true,
  norm: { eps: 2e-5, decay: 0.9 },
  init: "he everywhere",
} as const;
/** Units by depth, for ImageNet. */
export const bruinxiongDepths: Readonly<Record<string, readonly number[]>> = {
  "18": [2, 2, 2, 2],
  "34": [3, 4, 6, 3],
  "50": [3, 4, 6, 3],
  "101": [3, 4, 23, 3],
  "152": [3, 8, 36, 3],
  "200": [3, 24, 36, 3],
  "269": [3, 30, 48, 8],
};

const bruinxiong: Record<string, Entry> = {};
for (const [depth, depths] of Object.entries(bruinxiongDepths)) {
  const isBasic = Number(depth) < 50;
  const forms = isBasic ? [1] : [64, 32];
  for (const groups of forms) {
    const config = isBasic ? basic(...depths) : { ...resnext(...depths), groups };
    // Its README trains 64 groups of 2, as do the released weights; the text speaks of 32 groups of 4.
    const name = `bruinxiong-se-resnext-${depth}${groups === 32 ? "-32x4d" : ""}`;
    const isReleased = depth === "50" && groups === 64;
    const port: Port = {
      source: bruinxiongSource,
      paper: isBasic ? `SE-ResNeXt-${depth}` : `SE-ResNeXt-${depth}, ${groups === 32 ? "32x4d" : "64x2d"}`,
      ...(isReleased && { reached: "23.3 % top-1, 6.6 % top-5 error (knjcode/mxnet-finetuner)" }),
    };
    bruinxiong[name] = under(port, onImagenet({ ...modern(config), ...bruinxiongStyle, se: releasedSe }));
  }
}
/** Units per stage of the CIFAR networks: two convolutions per unit below 164 layers, then three. */
export const bruinxiongCifar: Readonly<Record<string, number>> = { "20": 3, "32": 5, "56": 9, "110": 18, "164": 18 };
for (const [depth, n] of Object.entries(bruinxiongCifar)) {
  const isBasic = depth !== "164";
  const base: ResNetConfig = isBasic
    ? cifar(n)
    : { ...resnext(n, n, n), stem: "cifar", stemWidth: 16, widths: [32, 64, 128] };
  const config = { ...modern(base), ...bruinxiongStyle, stemBare: true, se: releasedSe };
  const port = { source: bruinxiongSource, paper: `SE-ResNeXt-${depth} for CIFAR` };
  bruinxiong[`bruinxiong-se-resnext-${depth}-cifar`] = under(port, onCifar(config));
}

// --- taki0112: SE-ResNeXt-29, 8x64d, for CIFAR-10 ---

/**
 * Its eight paths of 64 channels are written here as one convolution to 512 and one with 8 groups: the same function.
 */
const takiResnext: ResNetConfig = {
  ...resnext(3, 3, 3),
  stem: "cifar",
  stemWidth: 64,
  pool: "same",
  widths: [512, 512, 512],
  outs: [64, 128, 256],
  expansion: 1,
  groups: 8,
  projection: "averagePad",
  se: { reduction: 4, bias: false },
  classifierBias: false,
  norm: { eps: 1e-3, decay: 0.9 },
  init: "glorot",
};

// --- moskomule: torchvision's ResNets and those for CIFAR, with gates without biases ---

const moskomuleSource = "moskomule/senet.pytorch";
const moskomuleSe = (reduction: number) => ({ se: { reduction, bias: false } }) as const;
const moskomuleReached: Readonly<Record<string, string>> = {
  "se-resnet-50": "77.06 % right on ImageNet (its README)",
  "se-resnet-20-r4": "93 % right on CIFAR-10 (its README)",
  "se-resnet-20-r8": "93 % right on CIFAR-10 (its README)",
  "resnet-20": "92 % right on CIFAR-10 (its README)",
};
const moskomulePort = (name: string, paper: string): Port => {
  const reached = moskomuleReached[name];
  return { source: moskomuleSource, paper, ...(reached !== undefined && { reached }) };
};

const moskomule: Record<string, Entry> = {};
for (const [depth, config] of Object.entries(torchDepths)) {
  const network = onImagenet({ ...modern(config), init: "he by fan-out", ...moskomuleSe(16) });
  moskomule[`moskomule-se-resnet-${depth}`] = under(moskomulePort(`se-resnet-${depth}`, `SE-ResNet-${depth}`), network);
}
for (const [depth, n] of Object.entries({ "20": 3, "32": 5, "56": 9, "110": 18 })) {
  const plain: ResNetConfig = { ...modern(cifar(n)), init: "he by fan-in" };
  const paper = `ResNet-${depth} for CIFAR`;
  moskomule[`moskomule-resnet-${depth}`] = under(moskomulePort(`resnet-${depth}`, paper), onCifar(plain));
  if (depth === "110") continue;
  for (const reduction of [16, 8, 4]) {
    // Its code defaults to r = 16.
    const name = `se-resnet-${depth}${reduction === 16 ? "" : `-r${reduction}`}`;
    const port = moskomulePort(name, `SE-${paper}, r = ${reduction}`);
    moskomule[`moskomule-${name}`] = under(port, onCifar({ ...plain, ...moskomuleSe(reduction) }));
  }
}

/** shicai's network is the paper's at 225 pixels, where both of Caffe's roundings agree. */
const shicai: Entry = {
  config: {
    ...deep(3, 4, 6, 3),
    strideOn: "3x3",
    se: releasedSe,
    norm: { eps: 1e-4, decay: 0.9 },
    init: "he everywhere",
  },
  imageSize: 225,
  classes: 1000,
};

export const resnetPorts: Readonly<Record<string, Entry>> = {
  "shicai-se-resnet-50": under(
    { source: "shicai/SENet-Caffe", paper: "SE-ResNet-50", reached: "21.99 % top-1, 5.79 % top-5 error (its README)" },
    shicai,
  ),
  ...tensorpack,
  ...bruinxiong,
  ...moskomule,
  "taki0112-se-resnext-29": under(
    {
      source: "taki0112/SENet-Tensorflow",
      paper: "SE-ResNeXt-29, 8x64d",
      reached: "94.87 % right on CIFAR-10 (a user, its issue 15)",
    },
    onCifar(takiResnext),
  ),
};
