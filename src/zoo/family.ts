/** The interface of network families: each is a file with a row in families.ts. */

import type { Value } from "../ir/graph.ts";
import type { Projection } from "../nn/blocks.ts";
import type { Activation } from "../nn/layers.ts";
import type { Scope } from "../nn/scope.ts";
import type * as z from "../schema.ts";

/** A configuration that has passed its schema. */
export type ConfigOf<Schema extends z.Schema> = Frozen<z.output<Schema>>;
export type Frozen<T> = T extends (...given: never[]) => unknown
  ? T
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

/** Errors in percent from the original table, single crop of 224 (docs/networks.md, 2.3). */
export interface Published {
  readonly top1Error: number;
  readonly top5Error: number;
}

/** A network of the zoo. */
export interface ZooEntry<Config> {
  readonly config: Config;
  /** The picture side that the network was designed for. */
  readonly imageSize: number;
  readonly classes: number;
  /** Errors of the authors' released weights, if there are any. */
  readonly published?: Published;
  /**
   * Set for networks of re-implementations that the original's README names; files with common names are never taken
   * for these.
   */
  readonly port?: Port;
}

export interface Port {
  /** GitHub repository, as OWNER/NAME. */
  readonly source: string;
  /**
   * The corresponding network of the paper, and the accuracy that the port's authors or users report, with the source.
   */
  readonly paper: string;
  readonly reached?: string;
}

/**
 * Details in which networks of the same shapes differ but all files of one naming agree; a family uses those that it
 * has (see resnet-config.ts).
 */
export interface Structure {
  readonly strideOn?: "1x1" | "3x3";
  readonly pool?: "caffe" | "padded" | "same";
  readonly projection?: Projection;
  readonly branchRelu?: boolean;
}

/** Whether a file has the weight of our convolution of that name. */
export type HasConv = (name: string) => boolean;

/** How a family's networks are built, independent of their names. */
export interface Built<Schema extends z.Schema> {
  /**
   * Schema of a configuration, also for weight files: bounds keep a small file from demanding too much. `family` is the
   * row's key; squeeze and excitation is under `se` (parts.ts), and the number of input channels, if it can change,
   * under `channels`.
   */
  readonly schema: Schema;
  /** `image [N,channels,H,W] → logits [N,classes]`. @throws SenetError `shape` where the picture is too small */
  build(scope: Scope, image: Value, config: ConfigOf<Schema>, classes: number): Value;
  /** An image size at which the network can be built to list its weights. */
  imageSize(config: ConfigOf<Schema>): number;
  /** Least number of weight tensors: a file with fewer is refused before the network is built. */
  fewestTensors(config: ConfigOf<Schema>): number;
}

export interface Family<Schema extends z.Schema> extends Built<Schema> {
  /** Networks in the zoo's list, by name. */
  readonly networks: Readonly<Record<string, ZooEntry<ConfigOf<Schema>>>>;
  /** Networks of sizes that are not in the list. */
  networkNamed?(name: string): ZooEntry<ConfigOf<Schema>> | undefined;
  /** Whether the layers have our own names, to which other namings are mapped. */
  readonly hasOurNames: boolean;
  /** Whether a file with these convolutions can belong to this network. */
  isIn(config: ConfigOf<Schema>, has: HasConv): boolean;
  /** Networks that are not in the list but could have a file with these convolutions. */
  namesIn?(has: HasConv): readonly string[];
  /** The network with that structure. */
  withStructure(config: ConfigOf<Schema>, structure: Structure): ConfigOf<Schema>;
  /** The same network for pictures of `channels` channels, in families that allow it. */
  withChannels?(config: ConfigOf<Schema>, channels: number): ConfigOf<Schema>;
  /** The same network with another activation, in families that allow it. */
  withAct?(config: ConfigOf<Schema>, act: Activation): ConfigOf<Schema>;
  /**
   * The same network with another number of classes, in families whose configuration depends on it.
   * @throws SenetError `usage` where its last layer cannot be replaced
   */
  withClasses?(config: ConfigOf<Schema>, classes: number): ConfigOf<Schema>;
  /** The differences, except for `se` and `channels`, as words that fit into a name. */
  changes(from: ConfigOf<Schema>, to: ConfigOf<Schema>): readonly string[];
}
