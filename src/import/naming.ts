/** What a naming is: what others call the layers of some networks, as a row for each of our modules. */

import { imagenetPreprocessing, type Preprocessing } from "../images/preprocess.ts";
import { asGrey } from "../images/preprocessing-facts.ts";
import type { Role } from "../ir/graph.ts";
import { channelsOf } from "../zoo/built.ts";
import type { ModelConfig } from "../zoo/families.ts";
import type { Structure } from "../zoo/family.ts";
import type { ResNetConfig } from "../zoo/resnet.ts";
import type { AxisOrder } from "./axes.ts";
import type { ClassOrder } from "./imagenet-classes.ts";

/**
 * Our module and theirs; in Caffe's networks a batch norm is two layers, and the second is in the third column.
 * `{s}` stands for a number or a word, and `{s+1}` for the next number: the original counts stages from 2, blocks from 1.
 * The first row that fits counts.
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
   * Without: those of the port alone.
   */
  readonly networks?: (config: ModelConfig) => boolean;
  /** `devkit`: the challenge's own order of classes; `sorted`: by synset (docs/networks.md, trap 1). */
  readonly classOrder: ClassOrder;
  /** The port whose networks they are, by its owner's name on GitHub; without: of no port. */
  readonly port?: string;
  /** Classes of networks that were trained on other pictures than ImageNet's, where there are so many of them. */
  readonly labels?: (config: ModelConfig, classes: number) => readonly string[] | undefined;
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

export const isResNet = (config: ModelConfig): config is ResNetConfig => config.family === "resnet";

/** A residual network for small pictures. */
export const isCifar = (config: ModelConfig): boolean => "stem" in config && config.stem === "cifar";

/** A residual network for large pictures, with these blocks. */
export const isLarge = (config: ModelConfig, block?: ResNetConfig["block"]): config is ResNetConfig =>
  isResNet(config) && !isCifar(config) && (block === undefined || config.block === block);

/** For pictures of 32 pixels, as they are; grey ones with the middle of the colours' numbers. */
export function small(config: ModelConfig, spec: Preprocessing): Preprocessing {
  const own = { ...spec, resize: 32, crop: 32 };
  return channelsOf(config) === 1 ? asGrey(own) : own;
}

/** As CIFAR's networks want it, if it is one of them. */
export function sized(config: ModelConfig, spec: Preprocessing): Preprocessing {
  if (isCifar(config)) return small(config, spec);
  return channelsOf(config) === 1 ? asGrey(spec) : spec;
}

/** Of all colours of CIFAR-10's 50,000 pictures to train with. */
export const cifar10Preprocessing: Preprocessing = {
  ...imagenetPreprocessing,
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.247, 0.2435, 0.2616],
};

const cifar10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"] as const;

/** CIFAR-10's classes, for a network that has ten. */
export const cifar10Labels = (classes: number): readonly string[] | undefined =>
  classes === cifar10.length ? cifar10 : undefined;
