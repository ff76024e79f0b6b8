/** Every network by name, as data. */

import { SenetError } from "../errors.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { nearestNames } from "../names.ts";
import { Scope } from "../nn/scope.ts";
import type { DType } from "../tensor.ts";
import { type InceptionConfig, inception } from "./inception.ts";
import { keepOf, LayerBuilder, type LayersConfig, layered } from "./layers.ts";
import { keepName, type ResNetConfig, resnet } from "./resnet.ts";

/** Which function builds a network of the zoo, and what it is given. */
export type ZooConfig =
  | ({ readonly family: "resnet" } & ResNetConfig)
  | ({ readonly family: "inception" } & InceptionConfig);

/** A network of the zoo, or one that came from elsewhere. */
export type ModelConfig = ZooConfig | ({ readonly family: "layers" } & LayersConfig);

/** The original table's errors in percent, single crop of 224 (docs/networks.md, 2.3). */
export interface Published {
  readonly top1Error: number;
  readonly top5Error: number;
}

export interface ZooEntry {
  readonly config: ZooConfig;
  /** The picture side that the network was designed for. */
  readonly imageSize: number;
  readonly classes: number;
  /** What the authors' released weights reach; absent for networks that they did not release. */
  readonly published?: Published;
}

/** r = 16 with biases, as in every released model (docs/networks.md, 1.1). */
const se = { reduction: 16, bias: true } as const;

const resnetDefaults = {
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

type Config = Extract<ModelConfig, { family: "resnet" }>;
const basic = (...depths: number[]): Config => ({ ...resnetDefaults, block: "basic", expansion: 1, depths });
const deep = (...depths: number[]): Config => ({ ...resnetDefaults, block: "bottleneck", expansion: 4, depths });

/** 32 groups of 4 channels at the first stage. */
const resnext = (...depths: number[]): Config => ({
  ...deep(...depths),
  widths: [128, 256, 512, 1024],
  expansion: 2,
  groups: 32,
  strideOn: "3x3",
});

/** What won ILSVRC 2017 (paper, section 6.4 of the appendix; docs/networks.md, 1.3). */
const senet154: Config = {
  ...deep(3, 8, 36, 3),
  stem: "deep",
  widths: [256, 512, 1024, 2048],
  expansion: 1,
  reduce: 0.5,
  groups: 64,
  strideOn: "3x3",
  projection: 3,
  dropout: 0.2,
};

/** He et al.'s CIFAR family: 6n + 2 layers. */
const cifar = (n: number): Config => ({ ...basic(n, n, n), stem: "cifar", widths: [16, 32, 64] });

/** The same network with the stride on the 3×3 and padded pooling, which timm's and torchvision's weights are for. */
const modern = (config: Config): Config => ({ ...config, strideOn: "3x3", pool: "padded" });

const onImagenet = (config: ZooConfig): ZooEntry => ({ config, imageSize: 224, classes: 1000 });
const onCifar = (config: ZooConfig): ZooEntry => ({ config, imageSize: 32, classes: 10 });

const plain: Readonly<Record<string, ZooEntry>> = {
  "resnet-18": onImagenet(basic(2, 2, 2, 2)),
  "resnet-34": onImagenet(basic(3, 4, 6, 3)),
  "resnet-50": onImagenet(deep(3, 4, 6, 3)),
  "resnet-101": onImagenet(deep(3, 4, 23, 3)),
  "resnet-152": onImagenet(deep(3, 8, 36, 3)),
  "resnet-50-modern": onImagenet(modern(deep(3, 4, 6, 3))),
  "resnet-101-modern": onImagenet(modern(deep(3, 4, 23, 3))),
  "resnet-152-modern": onImagenet(modern(deep(3, 8, 36, 3))),
  "resnext-50": onImagenet(resnext(3, 4, 6, 3)),
  "resnext-101": onImagenet(resnext(3, 4, 23, 3)),
  "bn-inception": onImagenet({ family: "inception" }),
  "resnet-20": onCifar(cifar(3)),
  "resnet-32": onCifar(cifar(5)),
  "resnet-56": onCifar(cifar(9)),
  "resnet-110": onCifar(cifar(18)),
};

/** The table of the original repository. */
const published: Readonly<Record<string, Published>> = {
  "se-bn-inception": { top1Error: 23.62, top5Error: 7.04 },
  "se-resnet-50": { top1Error: 22.37, top5Error: 6.36 },
  "se-resnet-101": { top1Error: 21.75, top5Error: 5.72 },
  "se-resnet-152": { top1Error: 21.34, top5Error: 5.54 },
  "se-resnext-50": { top1Error: 20.97, top5Error: 5.54 },
  "se-resnext-101": { top1Error: 19.81, top5Error: 4.96 },
  "senet-154": { top1Error: 18.68, top5Error: 4.47 },
};

function entries(): [string, ZooEntry][] {
  const all = Object.entries(plain).flatMap(([name, entry]): [string, ZooEntry][] => [
    [`se-${name}`, { ...entry, config: { ...entry.config, se } }],
    [name, entry],
  ]);
  all.push(["senet-154", onImagenet({ ...senet154, se })]);
  return all.map(([name, entry]) => [name, { ...entry, ...(published[name] && { published: published[name] }) }]);
}

/** Each network with squeeze and excitation, and its baseline without. */
export const zoo: ReadonlyMap<string, ZooEntry> = new Map(entries());

/** Deeper ones nobody has trained (He et al. had 1,202 layers). */
const deepestCifar = 1202;

/** He et al.'s family for CIFAR has every depth of 6n + 2, of which the list names a few. */
function cifarDepth(name: string): number | undefined {
  const depth = Number(/^(?:se-)?resnet-([1-9]\d*)(?:-cifar)?$/.exec(name)?.[1] ?? Number.NaN);
  return depth >= 8 && depth <= deepestCifar && depth % 6 === 2 ? depth : undefined;
}

function cifarConfig(depth: number, hasSe: boolean): ZooConfig {
  const config = cifar((depth - 2) / 6);
  return hasSe ? { ...config, se } : config;
}

/** The name of the network for CIFAR with so many blocks a stage: `resnet-44`; those of 50 and 152 layers end in `-cifar`. */
export function cifarName(blocks: number, hasSe: boolean): string {
  const name = `${hasSe ? "se-" : ""}resnet-${6 * blocks + 2}`;
  return zoo.get(name)?.imageSize === 224 ? `${name}-cifar` : name;
}

/**
 * A network of the list, or of any other depth for CIFAR.
 * @throws SenetError `usage` with the nearest names where there is no such model
 */
export function zooEntry(name: string): ZooEntry {
  const entry = zoo.get(name);
  if (entry !== undefined) return entry;
  const depth = cifarDepth(name);
  if (depth !== undefined) return { config: cifarConfig(depth, name.startsWith("se-")), imageSize: 32, classes: 10 };
  throw new SenetError("usage", `there is no model "${name}"`, {
    hint: `${nearestNames(name, [...zoo.keys()]).join(", ")} (senet models lists all)`,
  });
}

/** A model with its free choices made; what a weight file carries. */
export interface Model {
  readonly name: string;
  readonly config: ModelConfig;
  readonly classes: number;
}

export interface GraphOptions {
  readonly batch: number;
  /** The picture's side in pixels. */
  readonly imageSize: number;
  readonly dtype?: DType;
}

export const inputName = "image";
export const targetsName = "targets";
export { keepName } from "./resnet.ts";

/** What each dropout of a network drops: the rate by the name of the input that tells what to keep. */
export function dropoutRates({ config }: Model): ReadonlyMap<string, number> {
  if (config.family === "resnet") return new Map([[keepName, config.dropout]]);
  if (config.family === "inception") return new Map();
  return new Map(
    config.layers.flatMap((layer): [string, number][] =>
      layer.kind === "dropout" ? [[keepOf(layer.name), layer.rate]] : [],
    ),
  );
}

/** A zoo model for so many classes (default: its own). */
export function model(name: string, classes?: number): Model {
  const entry = zooEntry(name);
  return { name, config: entry.config, classes: classes ?? entry.classes };
}

/** Channels of the pictures that a network takes. */
export const channelsOf = (config: ModelConfig): number => (config.family === "resnet" ? (config.channels ?? 3) : 3);

function start(name: string, channels: number, training: boolean, options: GraphOptions) {
  const { batch, imageSize, dtype = "float32" } = options;
  const builder = new GraphBuilder(name);
  const image = builder.input(inputName, [batch, channels, imageSize, imageSize], dtype);
  return { builder, image, scope: new Scope(builder, { training, dtype }) };
}

function finish(model: Model, training: boolean, options: GraphOptions) {
  const { builder, image, scope } = start(model.name, channelsOf(model.config), training, options);
  const logits = build(scope, image, model);
  builder.output("logits", logits);
  return { builder, logits };
}

/** For those who need a layer's shape before they can tell the next one. */
export function layerBuilder(name: string, imageSize: number): LayerBuilder {
  const { scope, image } = start(name, 3, false, { batch: 1, imageSize });
  return new LayerBuilder(scope, image);
}

function build(scope: Scope, image: Value, { config, classes }: Model): Value {
  switch (config.family) {
    case "resnet":
      return resnet(scope, image, config, classes);
    case "inception":
      return inception(scope, image, config, classes);
    case "layers":
      return layered(scope, image, config, classes);
  }
}

/** `image [N,channels,S,S] → logits [N,classes]`, batch norm by running statistics. */
export const inferenceGraph = (model: Model, options: GraphOptions): Graph =>
  finish(model, false, options).builder.build();

/** What logits are compared with targets by: of classes that exclude each other, or of a yes or no for each class. */
export type Loss = "softmaxCrossEntropy" | "binaryCrossEntropy";

/** `image, targets [N,classes] → logits, loss []`, batch norm by the batch; running statistics are the graph's updates. */
export function lossGraph(model: Model, options: GraphOptions & { readonly loss?: Loss }): Graph {
  const { builder, logits } = finish(model, true, options);
  const targets = builder.input(targetsName, logits.type.shape, logits.type.dtype);
  const { loss = "softmaxCrossEntropy" } = options;
  builder.output("loss", builder.apply(loss, "loss", [logits, targets], {}));
  return builder.build();
}
