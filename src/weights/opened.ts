/** How weight files can be opened, and the result. */

import type { WeightFormat } from "../formats/formats.ts";
import type { NetworkFunction } from "../zoo/index.ts";
import type { Checkpoint } from "./checkpoint.ts";

export interface OpenOptions {
  /** The zoo model of the weights; default: the one that fits. For your own network: its function. */
  readonly model?: string | NetworkFunction;
  /** The naming of the file (namings.ts); default: detected. */
  readonly from?: string;
  /** Class names by index; default: the file's own, or ImageNet's for 1,000 classes, or numbers. */
  readonly labels?: readonly string[];
  /** Key of the weights to use in a checkpoint with several; default: a moving average, or else the first. */
  readonly state?: string;
  /** Whether the mean is given elsewhere, so that a missing mean file does not matter. */
  readonly isMeanSaid?: boolean;
}

/** Options for all networks except the user's own. */
export interface ZooOptions extends OpenOptions {
  readonly model?: string;
}

/** A network, and how it was opened. */
export interface Opened {
  readonly checkpoint: Checkpoint;
  readonly format: WeightFormat;
  /** The naming of the file, `senet` for our own; absent if a Caffe network has names of its own. */
  readonly naming?: string;
  /** Source of the pre-processing, in words that continue "from". */
  readonly preprocessingFrom: string;
  /** What was guessed, chosen or ignored, one line each. */
  readonly notes: readonly string[];
}
