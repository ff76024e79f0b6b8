/** Every network by name, as data. */

import { SenetError } from "../errors.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { Graph } from "../ir/graph.ts";
import { nearestNames } from "../names.ts";
import { Scope } from "../nn/scope.ts";
import type { DType } from "../tensor.ts";
import { type ResNetConfig, resnet } from "./resnet.ts";

export interface ZooEntry {
  readonly config: ResNetConfig;
  /** The picture side that the network was designed for. */
  readonly imageSize: number;
  readonly classes: number;
}

/** r = 16 with biases, as in every released model (architectures.md 1.1). */
const se = { reduction: 16, bias: true } as const;

const imagenet = (block: ResNetConfig["block"], depths: readonly number[]): ResNetConfig => ({
  stem: "imagenet",
  block,
  depths,
  widths: [64, 128, 256, 512],
  strideOn: "1x1",
});

/** He et al.'s CIFAR family: 6n + 2 layers. */
const cifar = (n: number): ResNetConfig => ({
  stem: "cifar",
  block: "basic",
  depths: [n, n, n],
  widths: [16, 32, 64],
  strideOn: "1x1",
});

const plain: Readonly<Record<string, ZooEntry>> = {
  "resnet-18": { config: imagenet("basic", [2, 2, 2, 2]), imageSize: 224, classes: 1000 },
  "resnet-34": { config: imagenet("basic", [3, 4, 6, 3]), imageSize: 224, classes: 1000 },
  "resnet-50": { config: imagenet("bottleneck", [3, 4, 6, 3]), imageSize: 224, classes: 1000 },
  "resnet-101": { config: imagenet("bottleneck", [3, 4, 23, 3]), imageSize: 224, classes: 1000 },
  "resnet-152": { config: imagenet("bottleneck", [3, 8, 36, 3]), imageSize: 224, classes: 1000 },
  "resnet-20": { config: cifar(3), imageSize: 32, classes: 10 },
  "resnet-32": { config: cifar(5), imageSize: 32, classes: 10 },
  "resnet-56": { config: cifar(9), imageSize: 32, classes: 10 },
  "resnet-110": { config: cifar(18), imageSize: 32, classes: 10 },
};

/** Each network with squeeze and excitation, and its baseline without. */
export const zoo: ReadonlyMap<string, ZooEntry> = new Map(
  Object.entries(plain).flatMap(([name, entry]): [string, ZooEntry][] => [
    [`se-${name}`, { ...entry, config: { ...entry.config, se } }],
    [name, entry],
  ]),
);

/** @throws SenetError `usage` with the nearest names where there is no such model. */
export function zooEntry(name: string): ZooEntry {
  const entry = zoo.get(name);
  if (entry !== undefined) return entry;
  throw new SenetError("usage", `there is no model "${name}"`, {
    hint: `${nearestNames(name, [...zoo.keys()]).join(", ")} (senet models lists all)`,
  });
}

/** A model with its free choices made; what a weight file carries. */
export interface Model {
  readonly name: string;
  readonly config: ResNetConfig;
  readonly classes: number;
}

export interface GraphOptions {
  readonly batch: number;
  /** The picture's side in pixels. */
  readonly imageSize: number;
  readonly dtype?: DType;
}

export const inputName = "image";
export const labelsName = "labels";

/** A zoo model for so many classes (default: its own). */
export function model(name: string, classes?: number): Model {
  const entry = zooEntry(name);
  return { name, config: entry.config, classes: classes ?? entry.classes };
}

function start(model: Model, training: boolean, { batch, imageSize, dtype = "float32" }: GraphOptions) {
  const builder = new GraphBuilder(model.name);
  const image = builder.input(inputName, [batch, 3, imageSize, imageSize], dtype);
  const logits = resnet(new Scope(builder, { training, dtype }), image, model.config, model.classes);
  builder.output("logits", logits);
  return { builder, logits };
}

/** `image [N,3,S,S] → logits [N,classes]`, batch norm by running statistics. */
export const inferenceGraph = (model: Model, options: GraphOptions): Graph =>
  start(model, false, options).builder.build();

/** `image, labels int32 [N] → logits, loss []`, batch norm by the batch; running statistics are the graph's updates. */
export function lossGraph(model: Model, options: GraphOptions & { readonly labelSmoothing?: number }): Graph {
  const { builder, logits } = start(model, true, options);
  const labels = builder.input(labelsName, [options.batch], "int32");
  const { labelSmoothing = 0 } = options;
  builder.output("loss", builder.apply("softmaxCrossEntropy", "loss", [logits, labels], { labelSmoothing }));
  return builder.build();
}
