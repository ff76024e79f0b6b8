/** Opens our own weight files, which are self-describing and do not need the readers of other formats. */

import { SenetError } from "../errors.ts";
import { type Checkpoint, decodeWith, weightsInUse } from "../weights/checkpoint.ts";
import type { Opened } from "../weights/opened.ts";
import type { WeightFile } from "../weights/source.ts";

/** With this many classes, labels may be ImageNet's, which then get their WordNet ids. */
const imagenetClasses = 1000;

/** As `openFiles`; `undefined` if that should open them, or report what is wrong. */
export async function openOwn(
  files: readonly WeightFile[],
): Promise<Pick<Opened, "checkpoint" | "format" | "notes"> | undefined> {
  const [file, ...others] = files;
  if (file === undefined || others.length > 0) return undefined;
  let checkpoint = decoded(file);
  if (checkpoint === undefined) {
    // The network may belong to a family that is not loaded yet.
    await import("../zoo/families.ts");
    checkpoint = decoded(file);
  }
  if (checkpoint === undefined || checkpoint.model.classes === imagenetClasses) return undefined;
  const notes: string[] = [];
  return { checkpoint: { ...checkpoint, weights: weightsInUse(checkpoint, notes) }, format: "safetensors", notes };
}

function decoded({ bytes, where }: WeightFile): Checkpoint | undefined {
  try {
    return decodeWith({}, bytes, where);
  } catch (error) {
    if (error instanceof SenetError) return undefined;
    throw error;
  }
}
