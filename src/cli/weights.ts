/** Resolves `--weights`: a file, or released weights, which are fetched if they are not in the cache. */

import { weightsFile } from "../pull/named.node.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { openPaths } from "../weights/open.node.ts";
import type { OpenOptions } from "../weights/opened.ts";
import { say } from "./output.ts";
import { overruled, type PreprocessingOptions, readLabels, toldPreprocessing } from "./preprocessing.ts";
import { pullShown } from "./pulling.ts";

/** Whether a file goes with weights: a Caffe network's definition or mean picture, an MXNet network's graph. */
const isCompanion = (file: string) => /(?:\.prototxt|\.binaryproto|symbol\.json)$/i.test(file);
const isOfSeveral = (file: string) => isCompanion(file) || /\.(?:caffemodel|h5|hdf5|params)$/i.test(file);

/**
 * Groups `--weights` by network. A Caffe network is a prototxt, its caffemodel, and perhaps a mean's binaryproto; an
 * MXNet network may have its symbol.json. Companions come either all before or all after their weights.
 */
export function networksOf(files: readonly string[]): string[][] {
  const networks: string[][] = [];
  const isBefore = isCompanion(files[0] ?? "");
  let next: string[] = [];
  for (const file of files) {
    const last = networks.at(-1);
    const isMeanBehind = /\.binaryproto$/i.test(file) && next.length === 0;
    if (isCompanion(file) && last !== undefined && (!isBefore || isMeanBehind)) last.push(file);
    else {
      next.push(file);
      if (isCompanion(file)) continue;
      networks.push(next);
      next = [];
    }
  }
  // A definition without weights: its reader reports what is missing.
  if (next.length > 0) networks.push(next);
  return networks;
}

/** The name of a network given by files: that of its weights. */
export const networkName = (files: readonly string[]): string =>
  files.find((file) => !isCompanion(file)) ?? files.join(" ");

/**
 * Moves a network's companion files from the arguments to the weights: `--weights NET.prototxt NET.caffemodel` means
 * both.
 */
export function withItsFiles(weights: string, others: readonly string[]): { weights: string[]; others: string[] } {
  const more = isOfSeveral(weights) ? others.filter(isOfSeveral) : [];
  return { weights: [weights, ...more], others: others.filter((file) => !more.includes(file)) };
}

/**
 * Opens the weights. A file takes precedence over released weights of the same name.
 * @throws SenetError `usage` where there is neither; as `openPaths` and `pull`
 */
export async function weightsOf(
  filesOrName: string | readonly string[],
  options: WeightsOptions = {},
): Promise<Weights> {
  const files: string[] = [];
  for (const name of [filesOrName].flat()) files.push(await weightsFile(name, pullShown));
  const { checkpoint, preprocessingFrom, notes, files: read } = await openPaths(files, opening(options));
  printNotes(networkName([filesOrName].flat()), notes);
  const preprocessing = overruled(checkpoint.preprocessing, options);
  return { ...checkpoint, preprocessing, told: toldPreprocessing(preprocessing, preprocessingFrom, options), read };
}

/** A command's options about weights. */
export interface WeightsOptions extends PreprocessingOptions {
  readonly state?: string;
  readonly labels?: string;
}

export interface Weights extends Checkpoint {
  /** Description of its pre-processing and where that comes from. */
  readonly told: string;
  /** All files from which it was opened. */
  readonly read: readonly string[];
}

export const opening = ({ state, labels, mean }: WeightsOptions): OpenOptions => ({
  isMeanSaid: mean !== undefined,
  ...(state !== undefined && { state }),
  ...(labels !== undefined && { labels: readLabels(labels) }),
});

/** Prints what was guessed or chosen while opening a network. */
export function printNotes(where: string, notes: readonly string[]): void {
  for (const note of notes) say(`senet: ${where}: ${note}`);
}
