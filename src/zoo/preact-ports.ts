/** The ports' pre-activation networks, each as in its authors' code (docs/networks.md). */

import type { HasConv, ZooEntry } from "./family.ts";
import type { PreactConfig } from "./preact-config.ts";
import { releasedSe } from "./released.ts";
import { bruinxiongCifar, bruinxiongDepths } from "./resnet-ports.ts";

type Entry = ZooEntry<PreactConfig>;

const base = {
  family: "preact",
  stem: "imagenet",
  stemWidth: 64,
  stemEnd: "norm",
  inputNorm: false,
  pool: "padded",
  block: "bottleneck",
  widths: [64, 128, 256, 512],
  expansion: 4,
  strideOn: "3x3",
  activeStem: false,
  projectFirst: true,
  shortcut: "activated",
  projection: 1,
  bias: false,
  head: "linear",
} as const;

const basic = { block: "basic", expansion: 1 } as const;
const cifar = { stem: "cifar", stemWidth: 16, stemEnd: "bare", widths: [16, 32, 64] } as const;

const onImagenet = (config: PreactConfig) => ({ config, imageSize: 224, classes: 1000 });
const onCifar = (config: PreactConfig) => ({ config, imageSize: 32, classes: 10 });

// --- tensorpack: examples/ResNet of July to September 2017, to which the original's README refers ---

const tensorpackSource = "tensorpack/tensorpack, examples/ResNet in July to September 2017";
const tensorpackPreact = (...depths: number[]): PreactConfig => ({
  ...base,
  depths,
  pool: "same",
  activeStem: true,
  norm: { eps: 1e-5, decay: 0.9 },
  init: "tensorpack",
});

const tensorpack: Record<string, Entry> = {};
for (const [depth, config] of [
  ["50", tensorpackPreact(3, 4, 6, 3)],
  ["101", tensorpackPreact(3, 4, 23, 3)],
  ["152", tensorpackPreact(3, 8, 36, 3)],
] as const) {
  const port = { source: tensorpackSource, paper: `SE-ResNet-${depth}, pre-activation` };
  const reached = depth === "50" && ({ reached: "22.94 % top-1, 6.42 % top-5 error (its README)" } as const);
  tensorpack[`tensorpack-se-preact-resnet-${depth}`] = { ...onImagenet({ ...config, se: releasedSe }), port };
  tensorpack[`tensorpack-se-preact-resnet-${depth}-july`] = {
    ...onImagenet({ ...config, se: { ...releasedSe, linear: true } }),
    port: { ...port, paper: `${port.paper}, no ReLU in the gate`, ...reached },
  };
  const plain = { source: tensorpackSource, paper: `ResNet-${depth}, pre-activation` };
  tensorpack[`tensorpack-preact-resnet-${depth}`] = { ...onImagenet(config), port: plain };
}

// --- bruinxiong: SE-ResNet ---

const bruinxiongSource = "bruinxiong/SENet.mxnet";
const bruinxiongStyle = {
  inputNorm: true,
  norm: { eps: 2e-5, decay: 0.9 },
  init: "he everywhere",
  se: releasedSe,
} as const;

const bruinxiong: Record<string, Entry> = {};
for (const [depth, depths] of Object.entries(bruinxiongDepths)) {
  const config = { ...base, ...(Number(depth) < 50 && basic), depths, ...bruinxiongStyle };
  const port = { source: bruinxiongSource, paper: `SE-ResNet-${depth}, pre-activation` };
  bruinxiong[`bruinxiong-se-resnet-${depth}`] = { ...onImagenet(config), port };
}
for (const [depth, n] of Object.entries(bruinxiongCifar)) {
  const config = { ...base, ...cifar, ...(depth !== "164" && basic), depths: [n, n, n], ...bruinxiongStyle };
  const port = { source: bruinxiongSource, paper: `SE-ResNet-${depth} for CIFAR, pre-activation` };
  bruinxiong[`bruinxiong-se-resnet-${depth}-cifar`] = { ...onCifar(config), port };
}

// --- moskomule: CIFAR; its SE-PreAct does not run as written, and is repaired here ---

const moskomule: Record<string, Entry> = {};
for (const [depth, n] of [
  ["20", 3],
  ["32", 5],
  ["56", 9],
  ["110", 18],
] as const) {
  const config: PreactConfig = {
    ...base,
    ...basic,
    ...cifar,
    depths: [n, n, n],
    projectFirst: false,
    shortcut: "raw",
    norm: { eps: 1e-5, decay: 0.9 },
    init: "he by fan-in",
  };
  const source = "moskomule/senet.pytorch";
  const paper = `ResNet-${depth} for CIFAR, pre-activation`;
  moskomule[`moskomule-preact-resnet-${depth}`] = { ...onCifar(config), port: { source, paper } };
  if (depth === "110") continue;
  const withSe = onCifar({ ...config, se: { reduction: 16, bias: false } });
  moskomule[`moskomule-se-preact-resnet-${depth}`] = { ...withSe, port: { source, paper: `SE-${paper}, repaired` } };
}

// --- nutszebra: SE-ResNet-164 for CIFAR-10 ---

const nutszebraSource = "nutszebra/SENets";
/** Biases in all convolutions, a separate batch norm for a projected shortcut, the stride on the first 1×1. */
const nutszebraPlain: PreactConfig = {
  ...base,
  ...cifar,
  depths: [18, 18, 18],
  stemEnd: "relu",
  strideOn: "1x1",
  shortcut: "own",
  projection: "padEnd",
  bias: true,
  head: "conv",
  norm: { eps: 2e-5, decay: 0.9, variance: 0 },
  init: "orthonormal",
};
const nutszebraSe = (reduction: number) => onCifar({ ...nutszebraPlain, se: { reduction, bias: true } });
const cifar10 = (right: string) => `${right} % right on CIFAR-10 (its README)`;

const nutszebra: Record<string, Entry> = {
  "nutszebra-se-resnet-164": { ...nutszebraSe(4), port: { source: nutszebraSource, paper: "SE-ResNet-164, r = 4" } },
  "nutszebra-se-resnet-164-r8": {
    ...nutszebraSe(8),
    port: { source: nutszebraSource, paper: "SE-ResNet-164, r = 8", reached: cifar10("95.69") },
  },
  "nutszebra-se-resnet-164-r16": {
    ...nutszebraSe(16),
    port: { source: nutszebraSource, paper: "SE-ResNet-164, r = 16", reached: cifar10("95.91") },
  },
  "nutszebra-resnet-164": {
    ...onCifar(nutszebraPlain),
    port: { source: nutszebraSource, paper: "ResNet-164", reached: cifar10("95.48") },
  },
};

/** Three stages of `units` units with three convolutions each, the stem, and the classifier. */
const depthOf = (units: number) => 9 * units + 2;
const deepestNutszebra = 1001;

/** Networks of any depth 9n + 2, of which the list has only 164: `nutszebra-se-resnet-11` has one unit per stage. */
export function nutszebraNamed(name: string): Entry | undefined {
  const [, se, digits] = /^nutszebra-(se-)?resnet-([1-9]\d*)$/.exec(name) ?? [];
  const units = (Number(digits) - 2) / 9;
  if (!(Number.isInteger(units) && units > 0 && Number(digits) <= deepestNutszebra)) return undefined;
  const { config, ...rest } = nutszebra[`nutszebra-${se ?? ""}resnet-164`]!;
  const paper = `${se === undefined ? "" : "SE-"}ResNet-${digits}`;
  const port = { source: nutszebraSource, paper };
  return { ...rest, port, config: { ...config, depths: [units, units, units] } };
}

/** The names for the number of units in the file's first stage. */
export function nutszebraNames(has: HasConv): readonly string[] {
  let units = 0;
  while (depthOf(units) < deepestNutszebra && has(`layer1.${units}.conv3`)) units++;
  return units === 0 ? [] : [`nutszebra-se-resnet-${depthOf(units)}`, `nutszebra-resnet-${depthOf(units)}`];
}

export const preactPorts: Readonly<Record<string, Entry>> = {
  ...tensorpack,
  ...bruinxiong,
  ...moskomule,
  ...nutszebra,
};
