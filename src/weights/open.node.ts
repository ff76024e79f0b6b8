/** Opens weight files of any format that is read, as a network ready to run. */

import { type Checkpoint, decodeCheckpoint } from "./checkpoint.ts";
import { readBytes } from "./files.node.ts";

/**
 * The network in a weight file, with the labels and the pre-processing that it wants.
 * @throws SenetError `io`, `weights`
 */
export async function openWeights(path: string): Promise<Checkpoint> {
  return decodeCheckpoint(await readBytes(path), path);
}
