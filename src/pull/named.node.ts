/** Weights as they are named: by a file, by the name under which they were released, or as the package's own. */

import { stat } from "node:fs/promises";
import { SenetError } from "../errors.ts";
import { nearestNames } from "../names.ts";
import { knownFiles } from "./addresses.ts";
import { packagedFile, packagedName } from "./packaged.node.ts";
import { isFile, pull } from "./pull.node.ts";

/** What has a separator, or the ending of a weight file, is meant as a path; `se-resnet-50.cadene` is not. */
const looksLikePath = /[/\\]|\.(?:safetensors|caffemodel|prototxt|binaryproto|pth|pt|th|pkl|bin|onnx|h5|hdf5)$/i;

const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() === true;

/**
 * The path of what is named: a file or a folder of that name comes before the released weights of that name, which are
 * fetched if they are not in the cache; `imagenette` is the package's own network, unless it is a file. A path where nothing is comes back as it is: its reader says what is wrong with it.
 * @param fetch gives the path of released weights
 * @throws SenetError `usage` for a name of nothing, with the nearest names; what `pull` throws
 */
export async function weightsFile(
  fileOrName: string,
  fetch: (name: string) => Promise<string> = (name) => pull(name),
): Promise<string> {
  if (await isFile(fileOrName)) return fileOrName;
  // A folder of that name is rather the pictures that it was trained on.
  if (fileOrName === packagedName) return packagedFile();
  // A checkpoint of TensorFlow's goes by what its files' names begin with.
  if ((await isFolder(fileOrName)) || (await isFile(`${fileOrName}.index`))) return fileOrName;
  if (knownFiles.has(fileOrName)) return fetch(fileOrName);
  if (looksLikePath.test(fileOrName)) return fileOrName;
  throw new SenetError("usage", "there is no such file, and no released weights of that name", {
    where: fileOrName,
    hint: `${nearestNames(fileOrName, [packagedName, ...knownFiles.keys()]).join(", ")} (senet pull lists all), or the path of a file`,
  });
}
