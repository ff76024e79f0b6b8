/** What `--weights` names: a file, or released weights, which are fetched if they are not in the cache. */

import { stat } from "node:fs/promises";
import { SenetError } from "../errors.ts";
import { nearestNames } from "../names.ts";
import { knownFiles } from "../pull/addresses.ts";
import { isFile } from "../pull/pull.node.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type OpenOptions, openPaths } from "../weights/open.node.ts";
import { say } from "./output.ts";
import { overruled, type PreprocessingOptions, readLabels, toldPreprocessing } from "./preprocessing.ts";
import { pullShown } from "./pulling.ts";

/**
 * A file of that name comes before the released weights of that name.
 * @throws SenetError `usage` where it is neither; what openPaths and pull throw
 */
export async function weightsOf(fileOrName: string, options: WeightsOptions = {}): Promise<Weights> {
  const { checkpoint, preprocessingFrom, notes } = await openPaths(await weightsFile(fileOrName), opening(options));
  printNotes(fileOrName, notes);
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

export const opening = ({ state, labels }: WeightsOptions): OpenOptions => ({
  ...(state !== undefined && { state }),
  ...(labels !== undefined && { labels: readLabels(labels) }),
});

/** What was guessed or chosen in opening a network, a line each. */
export function printNotes(where: string, notes: readonly string[]): void {
  for (const note of notes) say(`senet: ${where}: ${note}`);
}

/** What has a separator, or the ending of a weight file, is meant as a path; `se-resnet-50.cadene` is not. */
const looksLikePath = /[/\\]|\.(?:safetensors|caffemodel|prototxt|pth|pt|th|pkl|bin|onnx|h5|hdf5)$/i;

const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() === true;

/** The path of what `--weights` names. */
export async function weightsFile(fileOrName: string): Promise<string> {
  if ((await isFile(fileOrName)) || (await isFolder(fileOrName))) return fileOrName;
  if (knownFiles.has(fileOrName)) return pullShown(fileOrName);
  // Its reader says what is wrong with it.
  if (looksLikePath.test(fileOrName)) return fileOrName;
  throw new SenetError(
    "usage",
    `--weights ${fileOrName}: there is no such file, and no released weights of that name`,
    {
      hint: `${nearestNames(fileOrName, [...knownFiles.keys()]).join(", ")} (senet pull lists all), or the path of a file`,
    },
  );
}
