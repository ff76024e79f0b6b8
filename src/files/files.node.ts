/** Files read and written, and what went wrong in words. */

import { existsSync } from "node:fs";
import { mkdir, readFile, rmdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { SenetError } from "../errors.ts";

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EFBIG: "the file is larger than is allowed here",
  EDQUOT: "the disk quota is used up",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOENT: "there is no such file or folder",
  ENOTDIR: "a part of the path is a file, not a folder",
  EISDIR: "it is a folder, not a file",
  EEXIST: "something of this name already exists",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "its links lead in a circle",
  EMFILE: "this process has too many files open",
  ENFILE: "the system has too many files open",
  EIO: "the disk or the terminal gives an input/output error",
  EPIPE: "nothing reads the other end of the pipe",
  ENXIO: "there is no such device",
  EBUSY: "it is in use",
  ETXTBSY: "it is in use",
  ESTALE: "the network drive has lost it",
};

/** What to try where something could not be written, by what failed; of `where` the user can name another. */
function remedy(code: string, another: string): string {
  if (code === "ENOSPC" || code === "EDQUOT") return `free some space, or ${another}`;
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") return `${another} where you may write`;
  if (code === "ENOENT") return `make its folder first, or ${another}`;
  if (code === "EISDIR") return `${another}: the name of a file`;
  if (code === "ENAMETOOLONG") return `${another} with a shorter name`;
  if (code === "EMFILE" || code === "ENFILE") return "fewer --workers, or a higher `ulimit -n`";
  return another;
}

/** The system's name of the error (`ENOENT`), or "". */
export const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException | undefined)?.code ?? "";

/** The error of a failed file operation, in words. */
export function ioError(what: string, where: string, cause: unknown, hint?: string): SenetError {
  const found = reasons[codeOf(cause)] ?? (cause instanceof Error ? cause.message : String(cause));
  return new SenetError("io", what, { where, found, cause, ...(hint === undefined ? {} : { hint }) });
}

/**
 * The error of something that could not be written, with what fits its reason to try.
 * @param another what the user can name instead: "another --out"
 */
export const writeError = (what: string, where: string, cause: unknown, another = "another --out"): SenetError =>
  ioError(what, where, cause, remedy(codeOf(cause), another));

/** The bytes of a file. @throws SenetError `io` */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw ioError("cannot be read", path, cause);
  }
}

/** Makes a folder, with those above it; one that is there is fine. @throws SenetError `io` */
export async function makeFolder(path: string, another?: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw writeError("the folder cannot be made", path, await reasonOf(path, cause), another);
  }
}

/** Of a read-only file system `mkdir` says that a folder is missing, when it is to make those above it too. */
async function reasonOf(path: string, cause: unknown): Promise<unknown> {
  if (codeOf(cause) !== "ENOENT") return cause;
  let highest = resolve(path);
  while (!existsSync(dirname(highest))) highest = dirname(highest);
  try {
    await mkdir(highest);
    await rmdir(highest);
    return cause;
  } catch (plainly) {
    return plainly;
  }
}
