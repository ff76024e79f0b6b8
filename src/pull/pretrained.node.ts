/** Chooses pre-trained weights if none are named. */

import { join } from "node:path";
import { option, SenetError } from "../errors.ts";
import { cacheFolder } from "../files/cache.node.ts";
import { knownFiles } from "./addresses.ts";
import { packagedName } from "./packaged.node.ts";
import { isFile } from "./pull.node.ts";

export interface Pretrained {
  /** Name for `load(name)` and `train({ weights: name })`. */
  readonly name: string;
  /** Why these were chosen. */
  readonly reason: string;
}

/**
 * Released weights of the model: those already pulled, or else the first, which are fetched. For a model without any,
 * the package's network, as far as it fits. Without a model: the one that has been pulled, or else the package's
 * network.
 * @throws SenetError `usage` where several networks have been pulled and no model is named
 */
export async function pretrained(model: string | undefined): Promise<Pretrained> {
  const names = [...knownFiles.keys()].filter((name) => model === undefined || modelOf(name) === model);
  const cache = cacheFolder();
  const isHere = await Promise.all(names.map((name) => isFile(join(cache, knownFiles.get(name)!.file))));
  const pulled = names.filter((_, i) => isHere[i]);
  if (model === undefined && new Set(pulled.map(modelOf)).size > 1) {
    throw new SenetError("usage", "several networks have been pulled", {
      where: option("pretrained"),
      expected: `one by name, or ${packagedName}, which comes with the package`,
      found: pulled.join(", "),
      hint: `${option("weights")} ${pulled[0]}, for example`,
    });
  }
  if (pulled.length > 0) return { name: pulled[0]!, reason: "which have been pulled" };
  if (model !== undefined && names.length > 0) return { name: names[0]!, reason: `released weights of ${model}` };
  const reason = "the network in the package";
  if (model !== undefined) return { name: packagedName, reason: `${reason}, since no weights of ${model} are known` };
  return { name: packagedName, reason: `${reason}, since nothing has been pulled (senet pull lists what there is)` };
}

/** The model's name, before the dot and the file's author. */
const modelOf = (name: string): string => name.split(".")[0]!;
