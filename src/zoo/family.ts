/** What a family of networks is: one file with one row of the table in families.ts. */

import type { Value } from "../ir/graph.ts";
import type { Projection } from "../nn/blocks.ts";
import type { Activation } from "../nn/layers.ts";
import type { Scope } from "../nn/scope.ts";
import type * as z from "../schema.ts";

/** A configuration, as its schema lets it through. */
export type ConfigOf<Schema extends z.Schema> = Frozen<z.output<Schema>>;
export type Frozen<T> = T extends (...given: never[]) => unknown
  ? T
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

/** The original table's errors in percent, single crop of 224 (docs/networks.md, 2.3). */
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
  /** What the authors' released weights reach; absent for networks that they did not release. */
  readonly published?: Published;
  /** Of a re-implementation that the original's README names: files of the usual namings are never taken for it. */
  readonly port?: Port;
}

export interface Port {
  /** As GitHub knows it. */
  readonly source: string;
  /** The paper's network, and what its authors or users say that it reached, with where they say it. */
  readonly paper: string;
  readonly reached?: string;
}

/**
 * Where networks of the same shapes differ, and all files under one naming agree; a family takes what it has of it
 * (resnet.ts says what each is).
 */
export interface Structure {
  readonly strideOn?: "1x1" | "3x3";
  readonly pool?: "caffe" | "padded" | "same";
  readonly projection?: Projection;
  readonly branchRelu?: boolean;
}

/** Whether a file has the weight of our convolution of that name. */
export type HasConv = (name: string) => boolean;

/** What a family's networks are built by, whatever their names. */
export interface Built<Schema extends z.Schema> {
  /**
   * What a configuration may be, for weight files too: bounds keep a file of a few bytes from asking for everything.
   * `family` is the row's key; a family that can have squeeze and excitation has it as `se` (parts.ts), one that
   * can take pictures of other than three channels has `channels`.
   */
  readonly schema: Schema;
  /** `image [N,channels,H,W] → logits [N,classes]`. @throws SenetError `shape` where the picture is too small */
  build(scope: Scope, image: Value, config: ConfigOf<Schema>, classes: number): Value;
  /** A side of pictures at which the network can be built to see what weights it has. */
  imageSize(config: ConfigOf<Schema>): number;
  /** The fewest tensors that its weights can be: a file of fewer is refused before the network is built. */
  fewestTensors(config: ConfigOf<Schema>): number;
}

export interface Family<Schema extends z.Schema> extends Built<Schema> {
  /** Those that the zoo has, by name. */
  readonly networks: Readonly<Record<string, ZooEntry<ConfigOf<Schema>>>>;
  /** Those of sizes that the list leaves out. */
  networkNamed?(name: string): ZooEntry<ConfigOf<Schema>> | undefined;
  /** Whether the layers bear names of ours, which others' namings are told from. */
  readonly hasOurNames: boolean;
  /** Whether a file with these convolutions can be one of this network. */
  isIn(config: ConfigOf<Schema>, has: HasConv): boolean;
  /** The networks that the list leaves out and that a file with these convolutions can be of. */
  namesIn?(has: HasConv): readonly string[];
  /** The network as files of that structure have it. */
  withStructure(config: ConfigOf<Schema>, structure: Structure): ConfigOf<Schema>;
  /** The same network for pictures of so many channels, in families that have them in their configuration. */
  withChannels?(config: ConfigOf<Schema>, channels: number): ConfigOf<Schema>;
  /** The same network with another activation, in families that have it in their configuration. */
  withAct?(config: ConfigOf<Schema>, act: Activation): ConfigOf<Schema>;
  /**
   * The same network with another number of classes, in families whose configuration says it too.
   * @throws SenetError `usage` where its last layer cannot be exchanged
   */
  withClasses?(config: ConfigOf<Schema>, classes: number): ConfigOf<Schema>;
  /** What is different, `se` and `channels` aside, in words that a name can have. */
  changes(from: ConfigOf<Schema>, to: ConfigOf<Schema>): readonly string[];
}
