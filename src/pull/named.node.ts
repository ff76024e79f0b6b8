/** Resolves the name of weights: a file, released weights, or the package's own network. */

import { stat } from "node:fs/promises";
import { needsText } from "../arguments.ts";
import { SenetError } from "../errors.ts";
import { nearestNames } from "../names.ts";
import { knownFiles } from "./addresses.ts";
import { packagedFile, packagedName } from "./packaged.node.ts";
import { isFile, pull } from "./pull.node.ts";

/** Text with a separator or a weight file's extension is a path; `se-resnet-50.cadene` is not. */
const looksLikePath = /[/\\]|\.(?:safetensors|caffemodel|prototxt|binaryproto|pth|pt|th|pkl|bin|onnx|h5|hdf5)$/i;

const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() === true;

/**
 * The path of named weights. A file or folder takes precedence over released weights of the same name, which are
 * fetched if they are not in the cache; `imagenette` is the package's own network, unless there is such a file. A path
 * that does not exist is returned as it is, and reported when it is read.
 * @param fetch returns the path of released weights
 * @throws SenetError `usage` for an unknown name, with the nearest names; as `pull`
 */
export async function weightsFile(
  fileOrName: string,
  fetch: (name: string) => Promise<string> = (name) => pull(name),
): Promise<string> {
  needsText(fileOrName, "weights", "a weight file's path, the name of released weights, or a list of them");
  if (await isFile(fileOrName)) return fileOrName;
  // A folder of that name more likely has the pictures that it was trained on.
  if (fileOrName === packagedName) return packagedFile();
  // A TensorFlow checkpoint is named by its files' common prefix.
  if ((await isFolder(fileOrName)) || (await isFile(`${fileOrName}.index`))) return fileOrName;
  if (knownFiles.has(fileOrName)) return fetch(fileOrName);
  if (looksLikePath.test(fileOrName)) return fileOrName;
  throw new SenetError("usage", "there is no such file, and no released weights of that name", {
    where: fileOrName,
    hint: `${nearestNames(fileOrName, [packagedName, ...knownFiles.keys()]).join(", ")} (senet pull lists all), or the path of a file`,
  });
}
