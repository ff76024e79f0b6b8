/** What `--weights` names: a file, or released weights, which are fetched if they are not in the cache. */

import { weightsFile } from "../pull/named.node.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { openPaths } from "../weights/open.node.ts";
import type { OpenOptions } from "../weights/open.ts";
import { say } from "./output.ts";
import { overruled, type PreprocessingOptions, readLabels, toldPreprocessing } from "./preprocessing.ts";
import { pullShown } from "./pulling.ts";

/** What stands beside weights: the definition of a Caffe network and the mean of its pictures, the graph of an MXNet network. */
const isCompanion = (file: string) => /(?:\.prototxt|\.binaryproto|symbol\.json)$/i.test(file);
const isOfSeveral = (file: string) => isCompanion(file) || /\.(?:caffemodel|h5|hdf5|params)$/i.test(file);

/**
 * `--weights` of several networks, each with its files: a Caffe network is a prototxt, its caffemodel, and perhaps the
 * mean's binaryproto; an MXNet network may have its symbol.json. Definitions stand all before or all behind their weights.
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
  // A definition without weights: its reader says what is missing.
  if (next.length > 0) networks.push(next);
  return networks;
}

/** What a network of these files is called: as its weights. */
export const networkName = (files: readonly string[]): string =>
  files.find((file) => !isCompanion(file)) ?? files.join(" ");

/**
 * Files of a network among the arguments of a command whose `--weights` names one of it: whoever writes
 * `--weights NET.prototxt NET.caffemodel` means both.
 */
export function withItsFiles(weights: string, others: readonly string[]): { weights: string[]; others: string[] } {
  const more = isOfSeveral(weights) ? others.filter(isOfSeveral) : [];
  return { weights: [weights, ...more], others: others.filter((file) => !more.includes(file)) };
}

/**
 * A file of that name comes before the released weights of that name.
 * @throws SenetError `usage` where it is neither; what openPaths and pull throw
 */
export async function weightsOf(
  filesOrName: string | readonly string[],
  options: WeightsOptions = {},
): Promise<Weights> {
  const files: string[] = [];
  for (const name of [filesOrName].flat()) files.push(await weightsFile(name, pullShown));
  const { checkpoint, preprocessingFrom, notes } = await openPaths(files, opening(options));
  printNotes(networkName([filesOrName].flat()), notes);
  const preprocessing = overruled(checkpoint.preprocessing, options);
  return { ...checkpoint, preprocessing, told: toldPreprocessing(preprocessing, preprocessingFrom, options) };
}

/** What the options of a command say of weights. */
export interface WeightsOptions extends PreprocessingOptions {
  readonly state?: string;
  readonly labels?: string;
}

export interface Weights extends Checkpoint {
  /** Its pre-processing, and where that is from, for people. */
  readonly told: string;
}

export const opening = ({ state, labels, mean }: WeightsOptions): OpenOptions => ({
  isMeanSaid: mean !== undefined,
  ...(state !== undefined && { state }),
  ...(labels !== undefined && { labels: readLabels(labels) }),
});

/** What was guessed or chosen in opening a network, a line each. */
export function printNotes(where: string, notes: readonly string[]): void {
  for (const note of notes) say(`senet: ${where}: ${note}`);
}
