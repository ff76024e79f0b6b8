/**
 * Names of our layers in the ports not made with Caffe or PyTorch, after their authors' code. Their files are only
 * read, not written, since only their own code reads them.
 */

import { imagenetPreprocessing, type Preprocessing } from "../images/preprocess.ts";
import { model, parametersOf } from "../zoo/index.ts";
import { cifar10Labels, cifar10Preprocessing, isCifar, type Row, sized, small, type TorchNaming } from "./naming.ts";

/** Common to all of these namings. */
const foreign = {
  style: "torch",
  isForeign: true,
  matrices: /^$/,
  structure: {},
  classOrder: "sorted",
} as const;

// --- tensorpack: examples/ResNet ---

/** OpenCV's BGR and cubic resampling. */
const tensorpackPreprocessing: Preprocessing = {
  ...imagenetPreprocessing,
  channels: "bgr",
  mean: [0.406, 0.456, 0.485],
  std: [0.225, 0.224, 0.229],
  interpolation: "bicubic",
};

const tensorpackBlock = "group{s-1}/block{b}";
const tensorpackRows: readonly Row[] = [
  ["layer{s}.{b}.conv{k}", `${tensorpackBlock}/conv{k}`],
  ["layer{s}.{b}.downsample.{k}", `${tensorpackBlock}/convshortcut`],
  ["layer{s}.{b}.se.fc{k}", `${tensorpackBlock}/fc{k}`],
  ["conv1", "conv0"],
  ["bn1", "conv0"],
  ["fc", "linear"],
];

const tensorpackBase = {
  ...foreign,
  port: "tensorpack",
  leaves: {
    weight: "/W",
    bias: "/b",
    gamma: "/bn/gamma",
    beta: "/bn/beta",
    mean: "/bn/mean/EMA",
    variance: "/bn/variance/EMA",
  },
  axes: "HWIO",
} as const;

/** Files from 29 August 2017 on have their last batch norms elsewhere (port-files.ts). */
const tensorpackPreact: TorchNaming = {
  ...tensorpackBase,
  name: "tensorpack-preact",
  description: "tensorpack's examples/ResNet with the activation first, as until September 2017",
  mark: /^group0\/block1\/preact\/bn\/gamma$/,
  preprocessing: (config) => sized(config, { ...tensorpackPreprocessing, interpolation: "bilinear" }),
  rows: [
    ["layer{s}.{b}.bn1", `${tensorpackBlock}/preact`],
    ["layer{s}.{b}.bn{k}", `${tensorpackBlock}/conv{k-1}`],
    ["norm", "bnlast"],
    ...tensorpackRows,
  ],
};

const tensorpack: TorchNaming = {
  ...tensorpackBase,
  name: "tensorpack",
  description: "tensorpack's examples/ResNet",
  mark: /^group0\/block0\/conv1\/W$/,
  preprocessing: (config) => sized(config, tensorpackPreprocessing),
  rows: [["layer{s}.{b}.bn{k}", `${tensorpackBlock}/conv{k}`], ...tensorpackRows],
};

export const tensorpackNamings: readonly TorchNaming[] = [tensorpackPreact, tensorpack];

// --- bruinxiong: MXNet ---

/** Raw bytes: the first batch norm normalises them, or nothing does. */
const raw: Preprocessing = { ...imagenetPreprocessing, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };

const bruinxiongBase = {
  ...foreign,
  port: "bruinxiong",
  leaves: {
    weight: "_weight",
    bias: "_bias",
    gamma: "_gamma",
    beta: "_beta",
    mean: "_moving_mean",
    variance: "_moving_var",
  },
  axes: "OIHW",
  preprocessing: (config) => sized(config, raw),
  labels: (config, classes) => (isCifar(config) ? cifar10Labels(classes) : undefined),
} as const satisfies Partial<TorchNaming>;

const unit = "stage{s}_unit{b+1}";
const bruinxiong: TorchNaming = {
  ...bruinxiongBase,
  name: "bruinxiong",
  description: "bruinxiong/SENet.mxnet's SE-ResNeXt and SE-ResNet",
  mark: /^stage1_unit1_excitation1_weight$/,
  rows: [
    ["layer{s}.{b}.conv{k}", `${unit}_conv{k}`],
    ["layer{s}.{b}.bn{k}", `${unit}_bn{k}`],
    ["layer{s}.{b}.se.fc{k}", `${unit}_excitation{k}`],
    ["layer{s}.{b}.downsample.0", `${unit}_sc`],
    ["layer{s}.{b}.downsample.1", `${unit}_sc_bn`],
    ["bn0", "bn_data"],
    ["conv1", "conv0"],
    ["bn1", "bn0"],
    ["norm", "bn1"],
    ["fc", "fc1"],
  ],
};

const stemUnit = "stem_stage_stem";
/** A branch with one convolution has no number; in the stem, numbers continue across branches. */
const inceptionStem: readonly Row[] = [
  ["stem.0.0.0.conv", "stem_stage_conv_conv2d"],
  ["stem.0.0.1.conv", `${stemUnit}_conv_conv2d`],
  ["stem.0.0.2.conv", `${stemUnit}_conv_1_conv2d`],
  ["stem.1.1.0.conv", `${stemUnit}_1_conv_1_conv2d`],
  ["stem.2.0.0.conv", `${stemUnit}_1_conv_2_conv2d`],
  ["stem.2.0.1.conv", `${stemUnit}_1_conv_3_conv2d`],
  ["stem.2.1.{i}.conv", `${stemUnit}_2_conv_{i+1}_conv2d`],
  ["stem.3.1.0.conv", `${stemUnit}_3_conv_1_conv2d`],
  ["stem.norm", "stem_stage_bn1"],
];

/**
 * Rows of a module; `alone` lists branches with one convolution, which has no number.
 * @param theirs its name, with `{n}` for the module's number if there are several; and the letter that its layers start
 * with
 */
const inceptionModule = (ours: string, theirs: string, letter: string, alone: readonly string[]): readonly Row[] => [
  ...alone.map(
    (place): Row => [`${ours}.{n}.${place}.conv`, `${theirs}_${letter}_${Number(place[0]) + 1}_conv_conv2d`],
  ),
  [`${ours}.{n}.linear`, `${theirs}_${letter}_linear_conv_conv2d`],
  [`${ours}.{n}.norm`, `${theirs}_${letter}_bn1`],
  [`${ours}.{n}.se.fc{k}`, `${theirs}_excitation{k}`],
  // Parallel convolutions share a step with the one before.
  [`${ours}.{n}.{b}.{i}.{p}.conv`, `${theirs}_${letter}_{b+1}_conv_{i}_{p+1}_conv2d`],
  [`${ours}.{n}.{b}.{i}.conv`, `${theirs}_${letter}_{b+1}_conv_{i+1}_conv2d`],
];

const bruinxiongV4: TorchNaming = {
  ...bruinxiongBase,
  name: "bruinxiong-inception-v4",
  description: "bruinxiong/SENet.mxnet's SE-Inception-v4",
  mark: /^in4a_0_a_1_conv_conv2d_weight$/,
  rows: [
    ...inceptionStem,
    ...inceptionModule("a", "in4a_{n}", "a", ["0.1", "1.0"]),
    ...inceptionModule("reduce_a", "re_a", "ra", ["1.0"]),
    ...inceptionModule("b", "in7b_{n}", "b", ["0.1", "1.0"]),
    ...inceptionModule("reduce_b", "re_b", "rb", []),
    ...inceptionModule("c", "in3c_{n}", "c", ["0.1", "1.0"]),
    ["fc", "fc1"],
  ],
};

const bruinxiongResnetV2: TorchNaming = {
  ...bruinxiongBase,
  name: "bruinxiong-inception-resnet-v2",
  description: "bruinxiong/SENet.mxnet's SE-Inception-ResNet-v2",
  mark: /^in5a_0_a_1_conv_conv2d_weight$/,
  rows: [
    ...inceptionStem,
    ...inceptionModule("a", "in5a_{n}", "a", ["0.0"]),
    ...inceptionModule("reduce_a", "re3a", "ra", ["1.0"]),
    ...inceptionModule("b", "in10b_{n}", "b", ["0.0"]),
    ...inceptionModule("reduce_b", "re4b", "rb", []),
    ...inceptionModule("c", "in5c_{n}", "c", ["0.0"]),
    ["fc", "fc1"],
  ],
};

export const bruinxiongNamings: readonly TorchNaming[] = [bruinxiong, bruinxiongV4, bruinxiongResnetV2];

// --- nutszebra: Chainer ---

export const nutszebra: TorchNaming = {
  ...foreign,
  name: "nutszebra",
  description: "nutszebra/SENets",
  port: "nutszebra",
  leaves: {
    weight: "/W",
    bias: "/b",
    gamma: "/gamma",
    beta: "/beta",
    mean: "/avg_mean",
    variance: "/avg_var",
  },
  axes: "OIHW",
  mark: /^res_block1\/bn_relu_conv1_1\/conv\/W$/,
  preprocessing: (config) => small(config, { ...raw, byPicture: 10 }),
  labels: (_, classes) => cifar10Labels(classes),
  rows: [
    ["conv1", "conv1"],
    ["layer{s}.{b}.conv{k}", "res_block{s}/bn_relu_conv{k}_{b+1}/conv"],
    ["layer{s}.{b}.bn{k}", "res_block{s}/bn_relu_conv{k}_{b+1}/bn"],
    ["layer{s}.{b}.downsample.bn", "res_block{s}/skip_bn"],
    ["layer{s}.{b}.se.fc{k}", "res_block{s}/se_block_{b+1}/f{k}"],
    ["norm", "bn_relu_conv/bn"],
    ["fc", "bn_relu_conv/conv"],
  ],
};

// --- taki0112: TensorFlow, whose layers are called by the order in which they were made ---

const takiBase = {
  ...foreign,
  port: "taki0112",
  leaves: {
    weight: "/kernel",
    bias: "/bias",
    gamma: "/gamma",
    beta: "/beta",
    mean: "/moving_mean",
    variance: "/moving_variance",
  },
  axes: "HWIO",
  preprocessing: (config) => small(config, cifar10Preprocessing),
  labels: (_, classes) => cifar10Labels(classes),
} as const satisfies Partial<TorchNaming>;

/** The paths of a block are separate convolutions in the file, joined before by port-files.ts. */
const takiResnext: TorchNaming = {
  ...takiBase,
  name: "taki0112",
  description: "taki0112/SENet-Tensorflow's SE-ResNeXt",
  mark: /^first_layer_batch1\/gamma$/,
  rows: [
    ["conv1", "conv2d"],
    ["bn1", "first_layer_batch1"],
    ["layer{s}.{b}.conv{k}", "block_{s}_{b}/conv{k}"],
    ["layer{s}.{b}.bn3", "trans_layer_{s}_{b}_batch1"],
    ["layer{s}.{b}.bn{k}", "split_layer_{s}_{b}_batch{k}"],
    ["layer{s}.{b}.se.fc{k}", "block_{s}_{b}/dense{k}"],
    ["fc", "last_dense"],
  ],
};

function takiInception(network: string, paper: string, besides: string): TorchNaming {
  let rows: readonly Row[] | undefined;
  return {
    ...takiBase,
    name: network.replace("-se-", "-"),
    description: `taki0112/SENet-Tensorflow's ${paper}`,
    mark: /^stem_batch1\/gamma$/,
    besides,
    // Computed on demand, since few files need them.
    get rows() {
      rows ??= [
        ["stem.norm", "stem_batch1"],
        ["reduce_a.0.norm", "Reduction_A_batch1"],
        ["reduce_b.0.norm", "Reduction_B_batch1"],
        ["a.{n}.norm", "Inception_A{n}_batch1"],
        ["b.{n}.norm", "Inception_B{n}_batch1"],
        ["c.{n}.norm", "Inception_C{n}_batch1"],
        ...numbered(network),
      ];
      return rows;
    },
  };
}

/** Convolutions and fully connected layers, each kind numbered through the whole network. */
function numbered(network: string): readonly Row[] {
  const counts = { conv2d: 0, dense: 0 };
  const modules = parametersOf(model(network)).flatMap(({ name, role }) =>
    role === "weight" ? [name.slice(0, name.lastIndexOf("."))] : [],
  );
  return modules.map((module) => {
    const kind = /(?:^|\.)fc\d?$/.test(module) ? "dense" : "conv2d";
    const number = counts[kind]++;
    return [module, number === 0 ? kind : `${kind}_${number}`];
  });
}

export const takiNamings: readonly TorchNaming[] = [
  takiInception("taki0112-se-inception-resnet-v2", "SE-Inception-ResNet-v2", "Inception_B9_batch1/gamma"),
  takiInception("taki0112-se-inception-v4", "SE-Inception-v4", "Inception_B6_batch1/gamma"),
  takiResnext,
];
