/** Checks that a file is the released one. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { SenetError } from "../errors.ts";
import { ioError, readFlags } from "../files/files.node.ts";
import { detectFormat } from "../formats/detect.ts";
import type { KnownFile } from "./addresses.ts";

/** Bytes needed to tell the formats apart. */
const headBytes = 65_536;

/**
 * What is wrong with the file at `path`; `undefined` if nothing. The format is checked first: "a web page" is more
 * helpful than a wrong hash.
 * @throws SenetError `io` where it cannot be read
 */
export async function faultOf(path: string, { bytes, hash, format }: KnownFile): Promise<string | undefined> {
  try {
    const { head, size } = await start(path);
    const found = formatFault(head, format);
    if (found !== undefined) return found;
    if (bytes !== undefined && size !== bytes) return `the file has ${size} bytes, not ${bytes}`;
    if (hash === undefined) return undefined;
    const hex = await digest(path, hash.algorithm);
    if (!hex.startsWith(hash.hex))
      return `the file's ${hash.algorithm} begins ${hex.slice(0, 16)}, not ${hash.hex.slice(0, 16)}`;
    return undefined;
  } catch (cause) {
    throw ioError("cannot be read", path, cause);
  }
}

async function start(path: string): Promise<{ head: Uint8Array; size: number }> {
  const file = await open(path, readFlags);
  try {
    const { bytesRead, buffer } = await file.read(new Uint8Array(headBytes), 0, headBytes, 0);
    return { head: buffer.subarray(0, bytesRead), size: (await file.stat()).size };
  } finally {
    await file.close();
  }
}

function formatFault(head: Uint8Array, format: KnownFile["format"]): string | undefined {
  try {
    const found = detectFormat(head, "");
    return found === format ? undefined : `this is a file of the format ${found}, not ${format}`;
  } catch (error) {
    if (!(error instanceof SenetError)) throw error;
    const { found } = error.details;
    const what = error.message.split("\n")[0]!.replace(/^: /, "");
    return found === undefined ? what : `${what} (${found})`;
  }
}

/** Hashes a file in pieces, since files may have hundreds of megabytes. */
async function digest(path: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
