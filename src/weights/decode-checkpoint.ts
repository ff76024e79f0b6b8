/** Reads our weight files, of all kinds. */

import type { NetworkFunction } from "../zoo/own-function.ts";
import { type Checkpoint, decodeWith } from "./checkpoint.ts";
import { eightBitGraph } from "./eight-bit-graph.ts";

/**
 * @param where the file's name, for errors
 * @param build of a network of somebody's own
 * @throws SenetError `weights` where the file is damaged, not ours, or its tensors are not its model's or not finite;
 * `usage` where `build` is missing, or is not wanted
 */
export const decodeCheckpoint = (bytes: Uint8Array, where: string, build?: NetworkFunction): Checkpoint =>
  decodeWith({ build, eightBitGraph }, bytes, where)!;
