/** Names of our layers in Caffe's and MatConvNet's networks (docs/networks.md, 5.1). */

import type { Preprocessing } from "../images/preprocess.ts";
import { type ModelConfig, seOf } from "../zoo/families.ts";
import { type CaffeNaming, isLarge, type Row, sized, type TorchNaming } from "./naming.ts";

/** Rows for a convolution with its batch norm in Caffe's networks. */
const normed = (conv: string, bn: string, theirs: string, scale = "/bn/scale"): Row[] => [
  [conv, theirs],
  [bn, `${theirs}/bn`, `${theirs}${scale}`],
];

/** The authors' pre-processing: BGR, without deviation. */
const caffePreprocessing: Preprocessing = {
  channels: "bgr",
  scale: 1,
  mean: [104, 117, 123],
  std: [1, 1, 1],
  resize: 256,
  crop: 224,
  interpolation: "bilinear",
};

/** Pre-processing if only the side is known: that of the authors' files, with small pictures in their original size. */
export const usualCaffe = (imageSize: number): Preprocessing => ({
  ...caffePreprocessing,
  resize: imageSize < 64 ? imageSize : Math.round((imageSize * 256) / 224),
  crop: imageSize,
});

/** With squeeze and excitation that has biases. */
const hasBiases = (config: ModelConfig) => seOf(config)?.bias === true;

const caffeBlock = "conv{s+1}_{b+1}";
export const caffe: CaffeNaming = {
  name: "caffe",
  description: "the authors' Caffe files",
  style: "caffe",
  eps: 1e-5,
  axes: "OIHW",
  matrices: /^classifier$/,
  mark: /^(?:conv2_1_1x1_reduce|inception_3a\/double3x3a)$/,
  structure: { pool: "caffe" },
  networks: hasBiases,
  classOrder: "devkit",
  preprocessing: (config) => sized(config, caffePreprocessing),
  rows: [
    ...normed("conv1", "bn1", "conv1/7x7_s2"),
    ...normed("stem.conv1", "stem.bn1", "conv1_1/3x3_s2"),
    ...normed("stem.conv2", "stem.bn2", "conv1_2/3x3"),
    ...normed("stem.conv3", "stem.bn3", "conv1_3/3x3"),
    ...normed("layer{s}.{b}.conv1", "layer{s}.{b}.bn1", `${caffeBlock}_1x1_reduce`),
    ...normed("layer{s}.{b}.conv2", "layer{s}.{b}.bn2", `${caffeBlock}_3x3`),
    ...normed("layer{s}.{b}.conv3", "layer{s}.{b}.bn3", `${caffeBlock}_1x1_increase`),
    ["layer{s}.{b}.se.fc1", `${caffeBlock}_1x1_down`],
    ["layer{s}.{b}.se.fc2", `${caffeBlock}_1x1_up`],
    // SENet-154 uses this name too, although it is 3x3 there.
    ...normed("layer{s}.{b}.downsample.0", "layer{s}.{b}.downsample.1", `${caffeBlock}_1x1_proj`),
    ...normed("conv2", "bn2", "conv2/3x3_reduce"),
    ...normed("conv3", "bn3", "conv2/3x3"),
    ...normed("inception_{m}.single.conv1", "inception_{m}.single.bn1", "inception_{m}/1x1"),
    ...normed("inception_{m}.triple.conv1", "inception_{m}.triple.bn1", "inception_{m}/3x3_reduce"),
    ...normed("inception_{m}.triple.conv2", "inception_{m}.triple.bn2", "inception_{m}/3x3"),
    ...normed("inception_{m}.double.conv1", "inception_{m}.double.bn1", "inception_{m}/double3x3_reduce"),
    ...normed("inception_{m}.double.conv2", "inception_{m}.double.bn2", "inception_{m}/double3x3a"),
    ...normed("inception_{m}.double.conv3", "inception_{m}.double.bn3", "inception_{m}/double3x3b"),
    ...normed("inception_{m}.projection.conv1", "inception_{m}.projection.bn1", "inception_{m}/pool_proj"),
    ["inception_{m}.se.fc1", "inception_{m}_1x1_down"],
    ["inception_{m}.se.fc2", "inception_{m}_1x1_up"],
    ["fc", "classifier"],
  ],
};

export const shicai: CaffeNaming = {
  name: "shicai",
  description: "shicai/SENet-Caffe",
  style: "caffe",
  eps: 1e-4,
  axes: "OIHW",
  matrices: /\/(?:sqz|exc)$/,
  mark: /^conv2_1\/x1$/,
  structure: { strideOn: "3x3", pool: "caffe" },
  port: "shicai",
  networks: (config) => isLarge(config, "bottleneck") && config.stem === "imagenet" && config.se !== undefined,
  classOrder: "sorted",
  // They multiply by 0.017 where we divide. The port's network takes 225 pixels.
  preprocessing: (config) =>
    sized(config, {
      ...caffePreprocessing,
      mean: [103.94, 116.78, 123.68],
      std: [1 / 0.017, 1 / 0.017, 1 / 0.017],
      crop: 225,
    }),
  rows: [
    ...normed("conv1", "bn1", "conv1", "/scale"),
    ...normed("layer{s}.{b}.conv1", "layer{s}.{b}.bn1", `${caffeBlock}/x1`, "/scale"),
    ...normed("layer{s}.{b}.conv2", "layer{s}.{b}.bn2", `${caffeBlock}/x2`, "/scale"),
    ...normed("layer{s}.{b}.conv3", "layer{s}.{b}.bn3", `${caffeBlock}/x3`, "/scale"),
    ["layer{s}.{b}.se.fc1", "fc{s+1}_{b+1}/sqz"],
    ["layer{s}.{b}.se.fc2", "fc{s+1}_{b+1}/exc"],
    ...normed("layer{s}.{b}.downsample.0", "layer{s}.{b}.downsample.1", `${caffeBlock}/prj`, "/scale"),
    ["fc", "fc6"],
  ],
};

/** MatConvNet's parameters have the authors' layer names without slashes; moments are split (matconvnet.ts). */
export const matconvnet: TorchNaming = {
  name: "matconvnet",
  description: "albanie/mcnSENets",
  style: "torch",
  isForeign: true,
  leaves: {
    weight: "_filter",
    bias: "_bias",
    gamma: "_mult",
    beta: "_bias",
    mean: "_mean",
    variance: "_variance",
  },
  axes: "HWIO",
  matrices: /^$/,
  mark: /^(?:conv2_1_1x1_reduce|inception_3a_double3x3a)_filter$/,
  structure: caffe.structure,
  networks: hasBiases,
  // The classes in the files are sorted, but the networks' outputs are not.
  classOrder: "devkit",
  preprocessing: (config) => sized(config, { ...caffePreprocessing, channels: "rgb", mean: [123, 117, 104] }),
  rows: caffe.rows.map(([ours, theirs]): Row => [ours, theirs.replaceAll("/", "_")]),
};
