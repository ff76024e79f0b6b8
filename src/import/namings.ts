/** What others call the layers of these networks, as data (docs/networks.md, 5.1): a row for each of our modules. */

import { asGrey, imagenetPreprocessing, type Preprocessing } from "../images/preprocess.ts";
import type { Role } from "../ir/graph.ts";
import { channelsOf, type ModelConfig, seOf } from "../zoo/families.ts";
import type { Structure } from "../zoo/family.ts";
import type { ResNetConfig } from "../zoo/resnet.ts";
import type { AxisOrder } from "./axes.ts";
import type { ClassOrder } from "./imagenet-classes.ts";

/**
 * Our module and theirs; in Caffe's networks a batch norm is two layers, and the second is in the third column.
 * `{s}` stands for a number or a word, and `{s+1}` for the next number: the original counts stages from 2, blocks from 1.
 */
export type Row = readonly [ours: string, theirs: string, scale?: string];

interface NamingBase {
  readonly name: string;
  /** One line for people. */
  readonly description: string;
  readonly rows: readonly Row[];
  /** In which order the axes of their weights are. */
  readonly axes: AxisOrder;
  /** Their layers whose weights are matrices; all others' have four axes. */
  readonly matrices: RegExp;
  /** A file whose names match is in this naming, unless it is in one that comes before. */
  readonly mark: RegExp;
  /** A name that the file must have besides, where the mark is not enough. */
  readonly besides?: string;
  /** What shapes do not tell and all networks of these files have in common. */
  readonly structure: Structure;
  /** Whether squeeze and excitation has biases, where these networks differ from the released ones, which have them. */
  readonly seBias?: false;
  /**
   * Whether there are networks of this kind under these names. Only they are read and written: each was compared with
   * its authors' code (golden/make_namings.py, golden/make_caffe.py); of others nobody knows what they would compute.
   */
  readonly networks: (config: ModelConfig) => boolean;
  /** `devkit`: the challenge's own order of classes; `sorted`: by synset (docs/networks.md, trap 1). */
  readonly classOrder: ClassOrder;
  /** The port whose networks they are, as it is called on GitHub; without: of no port. */
  readonly port?: string;
  /** What these networks were trained for (docs/networks.md, 2.1). */
  readonly preprocessing: (config: ModelConfig) => Preprocessing;
}

export interface TorchNaming extends NamingBase {
  readonly style: "torch";
  /** What stands behind a module's name for each kind of parameter; default: PyTorch's (`.weight`, `.running_mean`). */
  readonly leaves?: Readonly<Record<Role, string>>;
  /** Only read: no program reads files that we could write with these names. */
  readonly isForeign?: true;
}

export interface CaffeNaming extends NamingBase {
  readonly style: "caffe";
  /** Of batch norm, where the file does not say it. */
  readonly eps: number;
}

export type Naming = TorchNaming | CaffeNaming;

/** A convolution with its batch norm, as Caffe's networks name them. */
const normed = (conv: string, bn: string, theirs: string, scale = "/bn/scale"): Row[] => [
  [conv, theirs],
  [bn, `${theirs}/bn`, `${theirs}${scale}`],
];

const isCifar = (config: ModelConfig): config is ResNetConfig => config.family === "resnet" && config.stem === "cifar";

/** A residual network for large pictures, with these blocks. */
const isLarge = (config: ModelConfig, block?: ResNetConfig["block"]): config is ResNetConfig =>
  config.family === "resnet" && config.stem !== "cifar" && (block === undefined || config.block === block);

/** CIFAR's pictures are taken as they are; grey ones with the middle of the colours' numbers. */
function sized(config: ModelConfig, spec: Preprocessing): Preprocessing {
  const own = isCifar(config) ? { ...spec, resize: 32, crop: 32 } : spec;
  return channelsOf(config) === 1 ? asGrey(own) : own;
}

/** The authors' files: no deviation, and blue first. */
const caffePreprocessing: Preprocessing = {
  channels: "bgr",
  scale: 1,
  mean: [104, 117, 123],
  std: [1, 1, 1],
  resize: 256,
  crop: 224,
  interpolation: "bilinear",
};

/** For a Caffe network of which nothing is known but its side: as the authors' files, small pictures as they are. */
export const usualCaffe = (imageSize: number): Preprocessing => ({
  ...caffePreprocessing,
  resize: imageSize < 64 ? imageSize : Math.round((imageSize * 256) / 224),
  crop: imageSize,
});

const caffeBlock = "conv{s+1}_{b+1}";
const caffe: CaffeNaming = {
  name: "caffe",
  description: "the authors' Caffe files",
  style: "caffe",
  eps: 1e-5,
  axes: "OIHW",
  matrices: /^classifier$/,
  mark: /^(?:conv2_1_1x1_reduce|inception_3a\/double3x3a)$/,
  structure: { pool: "caffe" },
  networks: (config) => seOf(config)?.bias === true,
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
    // Called so in SENet-154 too, where it is 3x3.
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

const shicai: CaffeNaming = {
  name: "shicai",
  description: "shicai/SENet-Caffe",
  style: "caffe",
  eps: 1e-4,
  axes: "OIHW",
  matrices: /\/(?:sqz|exc)$/,
  mark: /^conv2_1\/x1$/,
  structure: { strideOn: "3x3", pool: "caffe" },
  networks: (config) => isLarge(config, "bottleneck") && config.stem === "imagenet" && config.se !== undefined,
  classOrder: "sorted",
  // They multiply by 0.017 where we divide.
  preprocessing: (config) =>
    sized(config, { ...caffePreprocessing, mean: [103.94, 116.78, 123.68], std: [1 / 0.017, 1 / 0.017, 1 / 0.017] }),
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

/** What every PyTorch naming has in common with ours. */
const torchBlock: readonly Row[] = [
  ["layer{s}.{b}.conv{k}", "layer{s}.{b}.conv{k}"],
  ["layer{s}.{b}.bn{k}", "layer{s}.{b}.bn{k}"],
  ["layer{s}.{b}.downsample.{k}", "layer{s}.{b}.downsample.{k}"],
];

/** The networks of timm, torchvision and moskomule: torchvision's stride and pooling. */
const modern = { strideOn: "3x3", pool: "padded" } as const;

const cadene: TorchNaming = {
  name: "cadene",
  description: "Cadene/pretrained-models.pytorch, timm's legacy_se* and legacy_senet154",
  style: "torch",
  axes: "OIHW",
  matrices: /^last_linear$/,
  mark: /^layer0\.conv1\.weight$/,
  // Cadene has no basic blocks; timm added them, and put a ReLU before their gate.
  structure: { pool: "caffe", branchRelu: true },
  networks: (config) => isLarge(config) && config.se?.bias === true,
  classOrder: "sorted",
  preprocessing: (config) => sized(config, imagenetPreprocessing),
  rows: [
    ["conv1", "layer0.conv1"],
    ["bn1", "layer0.bn1"],
    ["stem.conv{k}", "layer0.conv{k}"],
    ["stem.bn{k}", "layer0.bn{k}"],
    ...torchBlock,
    ["layer{s}.{b}.se.fc{k}", "layer{s}.{b}.se_module.fc{k}"],
    ["fc", "last_linear"],
  ],
};

const moskomuleCifar: Preprocessing = {
  ...imagenetPreprocessing,
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.2023, 0.1994, 0.201],
  resize: 32,
  crop: 32,
};

const moskomule: TorchNaming = {
  name: "moskomule",
  description: "moskomule/senet.pytorch",
  style: "torch",
  axes: "OIHW",
  matrices: /(?:^|\.se\.)fc(?:\.\d)?$/,
  mark: /^layer1\.0\.se\.fc\.0\.weight$/,
  structure: modern,
  seBias: false,
  networks: (config) =>
    config.family === "resnet" && config.stem !== "deep" && config.groups === 1 && config.se !== undefined,
  classOrder: "sorted",
  preprocessing: (config) => sized(config, isCifar(config) ? moskomuleCifar : imagenetPreprocessing),
  rows: [
    ["conv1", "conv1"],
    ["bn1", "bn1"],
    ...torchBlock,
    ["layer{s}.{b}.se.fc1", "layer{s}.{b}.se.fc.0"],
    ["layer{s}.{b}.se.fc2", "layer{s}.{b}.se.fc.2"],
    ["fc", "fc"],
  ],
};

/** Ours, where it differs from timm's. */
const senet: TorchNaming = {
  name: "senet",
  description: "this project",
  style: "torch",
  axes: "OIHW",
  matrices: /^fc$/,
  mark: /^(?:stem\.conv1|inception_3a\.double\.conv1)\.weight$/,
  structure: {},
  networks: () => true,
  classOrder: "sorted",
  preprocessing: (config) => sized(config, imagenetPreprocessing),
  rows: [
    ["conv{k}", "conv{k}"],
    ["bn{k}", "bn{k}"],
    ["stem.conv{k}", "stem.conv{k}"],
    ["stem.bn{k}", "stem.bn{k}"],
    ...torchBlock,
    ["layer{s}.{b}.se.fc{k}", "layer{s}.{b}.se.fc{k}"],
    ["inception_{m}.{branch}.conv{k}", "inception_{m}.{branch}.conv{k}"],
    ["inception_{m}.{branch}.bn{k}", "inception_{m}.{branch}.bn{k}"],
    ["inception_{m}.se.fc{k}", "inception_{m}.se.fc{k}"],
    ["fc", "fc"],
  ],
};

const timm: TorchNaming = {
  name: "timm",
  description: "timm's seresnet*, seresnext* and senet154.gluon; torchvision's resnet*",
  style: "torch",
  axes: "OIHW",
  matrices: /^fc$/,
  mark: /^layer1\.0\.conv1\.weight$/,
  structure: modern,
  networks: (config) => config.family === "resnet" && config.se?.bias !== false,
  classOrder: "sorted",
  // timm measures its networks with squeeze and excitation on bicubic pictures, torchvision its own on bilinear ones.
  preprocessing: (config) =>
    sized(config, { ...imagenetPreprocessing, interpolation: seOf(config) === undefined ? "bilinear" : "bicubic" }),
  rows: [
    ["conv1", "conv1"],
    ["bn1", "bn1"],
    // One sequence of convolutions, batch norms and ReLUs, and the last batch norm outside of it.
    ["stem.conv1", "conv1.0"],
    ["stem.bn1", "conv1.1"],
    ["stem.conv2", "conv1.3"],
    ["stem.bn2", "conv1.4"],
    ["stem.conv3", "conv1.6"],
    ["stem.bn3", "bn1"],
    ...torchBlock,
    ["layer{s}.{b}.se.fc{k}", "layer{s}.{b}.se.fc{k}"],
    ["fc", "fc"],
  ],
};

const mmcls: TorchNaming = {
  name: "mmcls",
  description: "OpenMMLab's mmclassification and mmpretrain (style pytorch)",
  style: "torch",
  axes: "OIHW",
  matrices: /^head\.fc$/,
  mark: /^head\.fc\.weight$/,
  besides: "backbone.layer1.0.conv1.weight",
  structure: modern,
  networks: (config) =>
    config.family === "resnet" && config.stem !== "deep" && (config.se?.bias ?? true) && config.branchRelu !== true,
  classOrder: "sorted",
  preprocessing: (config) => sized(config, imagenetPreprocessing),
  rows: [
    ["conv1", "backbone.conv1"],
    ["bn1", "backbone.bn1"],
    ["layer{s}.{b}.se.fc{k}", "backbone.layer{s}.{b}.se_layer.conv{k}.conv"],
    ...torchBlock.map(([ours, theirs]): Row => [ours, `backbone.${theirs}`]),
    ["fc", "head.fc"],
  ],
};

const akamaster: TorchNaming = {
  name: "akamaster",
  description: "akamaster/pytorch_resnet_cifar10",
  style: "torch",
  axes: "OIHW",
  matrices: /^linear$/,
  mark: /^linear\.weight$/,
  structure: { projection: "pad" },
  networks: (config) => isCifar(config) && config.se === undefined,
  classOrder: "sorted",
  preprocessing: (config) => sized(config, imagenetPreprocessing),
  rows: [["conv1", "conv1"], ["bn1", "bn1"], ...torchBlock, ["fc", "linear"]],
};

/** MatConvNet's parameters are called by the authors' layers, without slashes; moments come as two (matconvnet.ts). */
const matconvnet: TorchNaming = {
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
  networks: caffe.networks,
  // The classes in the files are sorted, but what the networks give is not.
  classOrder: "devkit",
  preprocessing: (config) => sized(config, { ...caffePreprocessing, channels: "rgb", mean: [123, 117, 104] }),
  rows: caffe.rows.map(([ours, theirs]): Row => [ours, theirs.replaceAll("/", "_")]),
};

/** In the order in which their marks are looked for. */
export const namings: readonly Naming[] = [caffe, shicai, matconvnet, cadene, moskomule, akamaster, mmcls, senet, timm];
