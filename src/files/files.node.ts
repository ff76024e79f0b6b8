/** Reads and writes files, and puts errors into words. */

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { causeText, option, SenetError } from "../errors.ts";

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

/** What to try if something could not be written; `another` is what the user can name instead. */
function remedy(code: string, another: string): string {
  if (code === "ENOSPC" || code === "EDQUOT") return `free some space, or ${another}`;
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") return `${another} where you may write`;
  if (code === "ENOENT") return `make its folder first, or ${another}`;
  if (code === "EISDIR") return `${another}: the name of a file`;
  if (code === "ENAMETOOLONG") return `${another} with a shorter name`;
  if (code === "EMFILE" || code === "ENFILE") return `fewer ${option("workers")}, or a higher \`ulimit -n\``;
  return another;
}

/** The system's name of the error (`ENOENT`), or "". */
export const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException | undefined)?.code ?? "";

/** Why a file operation failed, in words. */
export const reasonOf = (cause: unknown): string => reasons[codeOf(cause)] ?? causeText(cause);

/** The error for a failed file operation. */
export function ioError(what: string, where: string, cause: unknown, hint?: string): SenetError {
  return new SenetError("io", what, { where, found: reasonOf(cause), cause, ...(hint !== undefined && { hint }) });
}

/**
 * The error for a failed write, with a hint that fits the reason.
 * @param another what the user can name instead: "another --out"
 */
export const writeError = (
  what: string,
  where: string,
  cause: unknown,
  another = `another ${option("out")}`,
): SenetError => ioError(what, where, cause, remedy(codeOf(cause), another));

/** Does not block on a pipe without writer. */
export const readFlags: number = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Refuses anything but regular files: reading others may never end. (A folder reports itself when read.) */
export function assertFile(found: Stats): void {
  if (!found.isFile() && !found.isDirectory()) throw new Error("it is a pipe, a socket or a device, not a file");
}

/** The bytes of a file. @throws SenetError `io` where it cannot be read, or is not a regular file */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, readFlags);
    try {
      assertFile(await file.stat());
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw ioError("cannot be read", path, cause);
  }
}

/** The same, synchronously, for small files. @throws SenetError `io` */
export function readBytesSync(path: string, what = "cannot be read"): Uint8Array {
  try {
    const file = openSync(path, readFlags);
    try {
      assertFile(fstatSync(file));
      return readFileSync(file);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw ioError(what, path, cause);
  }
}

/** Creates a folder and its parents, if they do not exist. @throws SenetError `io` */
export async function makeFolder(path: string, another?: string): Promise<void> {
  try {
    makeFoldersSync(path);
  } catch (cause) {
    throw writeError("the folder cannot be made", path, cause, another);
  }
}

/**
 * The same, synchronously. Node's own function never returns in folders like `/proc` that refuse new entries, and
 * reports a missing folder on a read-only disk.
 * @throws the system's error
 */
export function makeFoldersSync(path: string): void {
  const above = dirname(path);
  if (!existsSync(above)) makeFoldersSync(above);
  try {
    mkdirSync(path);
  } catch (cause) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
    throw codeOf(cause) === "ENOENT" ? new Error(`nothing can be made in ${above}`, { cause }) : cause;
  }
}

/** Whether a folder is there. */
export function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
