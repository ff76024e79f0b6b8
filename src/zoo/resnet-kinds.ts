/** The usual kinds of residual networks, for any depths. */

import type { ZooEntry } from "./family.ts";
import type { ResNetConfig } from "./resnet-config.ts";

export type Entry = ZooEntry<ResNetConfig>;

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

export const basic = (...depths: number[]): ResNetConfig => ({ ...defaults, block: "basic", expansion: 1, depths });
export const deep = (...depths: number[]): ResNetConfig => ({ ...defaults, block: "bottleneck", expansion: 4, depths });

/** 32 groups of 4 channels at the first stage. */
export const resnext = (...depths: number[]): ResNetConfig => ({
  ...deep(...depths),
  widths: [128, 256, 512, 1024],
  expansion: 2,
  groups: 32,
  strideOn: "3x3",
});

/** He et al.'s CIFAR family: 6n + 2 layers. */
export const cifar = (n: number): ResNetConfig => ({ ...basic(n, n, n), stem: "cifar", widths: [16, 32, 64] });

/**
 * The same network with the stride on the 3×3 convolution and padded pooling, as for timm's and torchvision's weights.
 */
export const modern = (config: ResNetConfig): ResNetConfig => ({ ...config, strideOn: "3x3", pool: "padded" });

/**
 * ResNet-D (He, T. et al., arXiv 1812.01187, section 4) in timm's sizes: three 3×3 convolutions in the stem, shortcuts
 * that average before projecting, and initial gammas of 0, so that fresh blocks pass on their shortcut.
 */
export const d = (config: ResNetConfig): ResNetConfig => ({
  ...modern(config),
  stem: "deep",
  stemWidths: [32, 32, 64],
  projection: "average",
  lastGamma: 0,
});

export const onImagenet = (config: ResNetConfig): Entry => ({ config, imageSize: 224, classes: 1000 });
export const onCifar = (config: ResNetConfig): Entry => ({ config, imageSize: 32, classes: 10 });
