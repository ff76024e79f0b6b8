/** The type of namings: other programs' names of some networks' layers, as one row per module of ours. */

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
 * Our module and theirs; in Caffe's networks a batch norm is two layers, with the second in the third column. `{s}`
 * stands for a number or a word, and `{s+1}` for the next number: the original counts stages from 2, blocks from 1. The
 * first matching row is used.
 */
export type Row = readonly [ours: string, theirs: string, scale?: string];

interface NamingBase {
  readonly name: string;
  /** One line of description. */
  readonly description: string;
  readonly rows: readonly Row[];
  /** Order of the axes of their weights. */
  readonly axes: AxisOrder;
  /** Their layers with matrices as weights; all others have four axes. */
  readonly matrices: RegExp;
  /** A file with a matching name has this naming, unless an earlier one matches. */
  readonly mark: RegExp;
  /** Another name that the file must contain, if the mark is not enough. */
  readonly besides?: string;
  /** Common properties of these files' networks that do not follow from shapes. */
  readonly structure: Structure;
  /** Whether squeeze and excitation has biases, if different from the released networks, which have them. */
  readonly seBias?: false;
  /**
   * Whether networks of this kind exist with these names. Only these are read and written, since each was compared with
   * its authors' code (golden/make_namings.py, golden/make_caffe.py). Default: only those of the port.
   */
  readonly networks?: (config: ModelConfig) => boolean;
  /** `devkit`: the challenge's own order of classes; `sorted`: by synset (docs/networks.md, trap 1). */
  readonly classOrder: ClassOrder;
  /** The GitHub owner of the port that has these networks; default: none. */
  readonly port?: string;
  /** Class names of networks not trained on ImageNet, if the number of classes matches. */
  readonly labels?: (config: ModelConfig, classes: number) => readonly string[] | undefined;
  /** The pre-processing that these networks were trained with (docs/networks.md, 2.1). */
  readonly preprocessing: (config: ModelConfig) => Preprocessing;
}

export interface TorchNaming extends NamingBase {
  readonly style: "torch";
  /** Suffix of the module's name for each kind of parameter; default: PyTorch's (`.weight`, `.running_mean`). */
  readonly leaves?: Readonly<Record<Role, string>>;
  /** Only read, not written: no program reads files with these names. */
  readonly isForeign?: true;
}

export interface CaffeNaming extends NamingBase {
  readonly style: "caffe";
  /** Batch norm's eps, if the file does not specify it. */
  readonly eps: number;
}

export type Naming = TorchNaming | CaffeNaming;

export const isResNet = (config: ModelConfig): config is ResNetConfig => config.family === "resnet";

/** Whether it is a residual network for small pictures. */
export const isCifar = (config: ModelConfig): boolean => "stem" in config && config.stem === "cifar";

/** Whether it is a residual network for large pictures, with these blocks. */
export const isLarge = (config: ModelConfig, block?: ResNetConfig["block"]): config is ResNetConfig =>
  isResNet(config) && !isCifar(config) && (block === undefined || config.block === block);

/** For pictures of 32 pixels in their original size; grey ones with the averages of the colours' numbers. */
export function small(config: ModelConfig, spec: Preprocessing): Preprocessing {
  const own = { ...spec, resize: 32, crop: 32 };
  return channelsOf(config) === 1 ? asGrey(own) : own;
}

/** The pre-processing of CIFAR's networks if it is one of them. */
export function sized(config: ModelConfig, spec: Preprocessing): Preprocessing {
  if (isCifar(config)) return small(config, spec);
  return channelsOf(config) === 1 ? asGrey(spec) : spec;
}

/** Statistics over CIFAR-10's 50,000 training pictures. */
export const cifar10Preprocessing: Preprocessing = {
  ...imagenetPreprocessing,
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.247, 0.2435, 0.2616],
};

const cifar10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"] as const;

/** CIFAR-10's class names, for a network with ten classes. */
export const cifar10Labels = (classes: number): readonly string[] | undefined =>
  classes === cifar10.length ? cifar10 : undefined;
