/** Our own weight files: they say all of themselves, and need none of what others' do. */

import { SenetError } from "../errors.ts";
import { type Checkpoint, decodeWith } from "../weights/checkpoint.ts";
import type { Opened } from "../weights/open.ts";
import type { WeightFile } from "../weights/source.ts";

/** Of so many classes labels may be ImageNet's, which get their WordNet ids. */
const imagenetClasses = 1000;

/** As `openFiles`; `undefined` where that is to look at them, and say what is wrong. */
export async function openOwn(
  files: readonly WeightFile[],
): Promise<Pick<Opened, "checkpoint" | "format" | "notes"> | undefined> {
  const [file, ...others] = files;
  if (file === undefined || others.length > 0) return undefined;
  let checkpoint = decoded(file);
  if (checkpoint === undefined) {
    // It may be of another family than the usual one.
    await import("../zoo/families.ts");
    checkpoint = decoded(file);
  }
  if (checkpoint === undefined || checkpoint.model.classes === imagenetClasses) return undefined;
  const { average: weights = checkpoint.weights } = checkpoint.run ?? {};
  const notes = weights === checkpoint.weights ? [] : ["of the run's weights their moving average is used"];
  return { checkpoint: { ...checkpoint, weights }, format: "safetensors", notes };
}

function decoded({ bytes, where }: WeightFile): Checkpoint | undefined {
  try {
    return decodeWith({}, bytes, where);
  } catch (error) {
    if (error instanceof SenetError) return undefined;
    throw error;
  }
}
