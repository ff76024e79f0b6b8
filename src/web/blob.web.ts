/** Reads the bytes of files. */

import { causeText, SenetError } from "../errors.ts";

/**
 * Reads a user's file at the time of the call.
 * @param where its name
 * @throws SenetError `io` if it has been changed, moved or removed since it was chosen
 */
export async function bytesOfBlob(blob: Blob, where: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (cause) {
    const hint = "choose it again: it may have changed since";
    throw new SenetError("io", "the file cannot be read", { where, found: causeText(cause), hint, cause });
  }
}
