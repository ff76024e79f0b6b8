/** Names of our layers in PyTorch's networks (docs/networks.md, 5.1). */

import { imagenetPreprocessing, type Preprocessing } from "../images/preprocess.ts";
import { seOf } from "../zoo/families.ts";
import {
  cifar10Labels,
  cifar10Preprocessing,
  isCifar,
  isLarge,
  isResNet,
  type Row,
  sized,
  type TorchNaming,
} from "./naming.ts";

/** Rows common to all PyTorch namings. */
const torchBlock: readonly Row[] = [
  ["layer{s}.{b}.conv{k}", "layer{s}.{b}.conv{k}"],
  ["layer{s}.{b}.bn{k}", "layer{s}.{b}.bn{k}"],
  ["layer{s}.{b}.downsample.{k}", "layer{s}.{b}.downsample.{k}"],
];

/** Structure of timm's, torchvision's and moskomule's networks: torchvision's stride and pooling. */
const modern = { strideOn: "3x3", pool: "padded" } as const;

export const cadene: TorchNaming = {
  name: "cadene",
  description: "Cadene/pretrained-models.pytorch, timm's legacy_se* and legacy_senet154",
  style: "torch",
  axes: "OIHW",
  matrices: /^last_linear$/,
  mark: /^layer0\.conv1\.weight$/,
  // Cadene has no basic blocks; timm added them, with a ReLU before their gate.
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

/** The common but different deviations, averaged over single pictures. */
const moskomuleCifar: Preprocessing = { ...cifar10Preprocessing, std: [0.2023, 0.1994, 0.201] };

export const moskomule: TorchNaming = {
  name: "moskomule",
  description: "moskomule/senet.pytorch",
  style: "torch",
  axes: "OIHW",
  matrices: /(?:^|\.se\.)fc(?:\.\d)?$/,
  mark: /^layer1\.0\.se\.fc\.0\.weight$/,
  structure: modern,
  seBias: false,
  port: "moskomule",
  networks: (config) => isResNet(config) && config.stem !== "deep" && config.groups === 1 && config.se !== undefined,
  classOrder: "sorted",
  preprocessing: (config) => sized(config, isCifar(config) ? moskomuleCifar : imagenetPreprocessing),
  labels: (config, classes) => (isCifar(config) ? cifar10Labels(classes) : undefined),
  rows: [
    ["conv1", "conv1"],
    ["bn1", "bn1"],
    ...torchBlock,
    ["layer{s}.{b}.se.fc1", "layer{s}.{b}.se.fc.0"],
    ["layer{s}.{b}.se.fc2", "layer{s}.{b}.se.fc.2"],
    ["fc", "fc"],
  ],
};

/** moskomule's pre-activation networks, whose shortcuts are bare convolutions. */
export const moskomulePreact: TorchNaming = {
  name: "moskomule-preact",
  description: "moskomule/senet.pytorch's networks with the activation first",
  style: "torch",
  isForeign: true,
  axes: "OIHW",
  matrices: /^$/,
  mark: /^layer2\.0\.downsample\.weight$/,
  structure: {},
  classOrder: "sorted",
  port: "moskomule",
  preprocessing: (config) => sized(config, moskomuleCifar),
  labels: (_, classes) => cifar10Labels(classes),
  rows: [["layer{s}.{b}.downsample.0", "layer{s}.{b}.downsample"], ["norm", "bn1"], ...moskomule.rows],
};

/** Our own naming, where it differs from timm's. */
export const senet: TorchNaming = {
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

export const timm: TorchNaming = {
  name: "timm",
  description: "timm's seresnet*, seresnext* and senet154.gluon; torchvision's resnet*",
  style: "torch",
  axes: "OIHW",
  matrices: /^fc$/,
  mark: /^layer1\.0\.conv1\.weight$/,
  structure: modern,
  networks: (config) => isResNet(config) && config.se?.bias !== false,
  classOrder: "sorted",
  // timm evaluates its SE networks on bicubic pictures, torchvision its own on bilinear ones.
  preprocessing: (config) =>
    sized(config, { ...imagenetPreprocessing, interpolation: seOf(config) === undefined ? "bilinear" : "bicubic" }),
  rows: [
    ["conv1", "conv1"],
    ["bn1", "bn1"],
    // A sequence of convolutions, batch norms and ReLUs, with the last batch norm outside.
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

export const mmcls: TorchNaming = {
  name: "mmcls",
  description: "OpenMMLab's mmclassification and mmpretrain (style pytorch)",
  style: "torch",
  axes: "OIHW",
  matrices: /^head\.fc$/,
  mark: /^head\.fc\.weight$/,
  besides: "backbone.layer1.0.conv1.weight",
  structure: modern,
  networks: (config) =>
    isResNet(config) && config.stem !== "deep" && (config.se?.bias ?? true) && config.branchRelu !== true,
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

export const akamaster: TorchNaming = {
  name: "akamaster",
  description: "akamaster/pytorch_resnet_cifar10",
  style: "torch",
  axes: "OIHW",
  matrices: /^linear$/,
  mark: /^linear\.weight$/,
  structure: { projection: "pad" },
  networks: (config) => isCifar(config) && seOf(config) === undefined,
  classOrder: "sorted",
  preprocessing: (config) => sized(config, imagenetPreprocessing),
  rows: [["conv1", "conv1"], ["bn1", "bn1"], ...torchBlock, ["fc", "linear"]],
};
