/** What `--weights` names: a file, or released weights, which are fetched if they are not in the cache. */

import { SenetError } from "../errors.ts";
import { nearestNames } from "../names.ts";
import { knownFiles } from "../pull/addresses.ts";
import { isFile } from "../pull/pull.node.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { openWeights } from "../weights/open.node.ts";
import { pullShown } from "./pulling.ts";

/**
 * A file of that name comes before the released weights of that name.
 * @throws SenetError `usage` where it is neither; what openWeights and pull throw
 */
export async function weightsOf(fileOrName: string): Promise<Checkpoint> {
  return openWeights(await weightsFile(fileOrName));
}

/** The path of what `--weights` names. */
export async function weightsFile(fileOrName: string): Promise<string> {
  // What looks like a path is one: its error is about the file.
  if ((await isFile(fileOrName)) || (/[/\\]|\.\w{2,11}$/.test(fileOrName) && !knownFiles.has(fileOrName)))
    return fileOrName;
  if (knownFiles.has(fileOrName)) return pullShown(fileOrName);
  throw new SenetError(
    "usage",
    `--weights ${fileOrName}: there is no such file, and no released weights of that name`,
    {
      hint: `${nearestNames(fileOrName, [...knownFiles.keys()]).join(", ")} (senet pull lists all), or the path of a file`,
    },
  );
}
