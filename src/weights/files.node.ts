/** Files that are there whole or not at all. */

import { open, readFile, rename, rm } from "node:fs/promises";
import { SenetError } from "../errors.ts";

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EFBIG: "the file is larger than is allowed here",
  EDQUOT: "the disk quota is used up",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOENT: "there is no such file or folder",
  EISDIR: "it is a folder, not a file",
};

/** The error of a failed file operation, in words. */
export function ioError(what: string, where: string, cause: unknown, hint?: string): SenetError {
  const code = (cause as NodeJS.ErrnoException).code ?? "";
  const found = reasons[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new SenetError("io", what, { where, found, cause, ...(hint === undefined ? {} : { hint }) });
}

/**
 * Writes aside, flushes to the disk, then renames over `path`: whatever happens, `path` holds its old content or all of
 * the new one.
 * @throws SenetError `io`; the old file is then untouched and nothing is left aside
 */
export async function replaceFile(path: string, chunks: readonly (Uint8Array | string)[]): Promise<void> {
  const aside = `${path}.partial`;
  try {
    const file = await open(aside, "w");
    try {
      for (const chunk of chunks) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (cause) {
    await rm(aside, { force: true });
    throw ioError(
      "cannot be written; what was there before is still there",
      path,
      cause,
      "free some space, or another --out",
    );
  }
}

/** The bytes of a file. @throws SenetError `io` */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw ioError("cannot be read", path, cause);
  }
}
