/** What `--weights` names: a file. */

import type { Checkpoint } from "../weights/checkpoint.ts";
import { openWeights } from "../weights/open.node.ts";

export async function weightsOf(fileOrName: string): Promise<Checkpoint> {
  return openWeights(fileOrName);
}
