/** Atomic writing of files. */

import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { type FileHandle, open, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf, writeError } from "./files.node.ts";
import { isOver, self } from "./owner.node.ts";

/** Temporary files that have not changed for this long were abandoned. */
const abandonedAfterMs = 3_600_000;

/**
 * Writes a temporary file, flushes it to the disk, and renames it to `path`. Whatever happens, `path` has either its
 * old content or all of the new one; of two concurrent writers, one wins. The new file gets the permissions of the old
 * one.
 *
 * A link at `path` is replaced, as by git and rsync, not followed. A device or a pipe (`/dev/stdout`, `/dev/null`, a
 * FIFO) cannot be replaced and is written to.
 * @param another what the user can name instead, for the error's hint: "another --out"
 * @throws SenetError `io`; the old file is then unchanged, and no temporary file is left
 */
export async function replaceFile(
  path: string,
  chunks: readonly (Uint8Array | string)[],
  another?: string,
): Promise<void> {
  let old: Stats | undefined;
  try {
    old = await statIfThere(path);
    if (old?.isDirectory() === true) throw Object.assign(new Error(path), { code: "EISDIR" });
    if (old === undefined || (old.isFile() && !(await isOfSystem(path)))) await replace(path, chunks, old?.mode);
    else await writeInto(path, chunks);
  } catch (cause) {
    const what =
      old?.isFile() === true ? "cannot be written; what was there before is still there" : "cannot be written";
    throw writeError(what, path, cause, another);
  }
}

async function statIfThere(path: string): Promise<Stats | undefined> {
  // A name that ends in a slash means a folder, even if it does not exist.
  if (/[/\\]$/.test(path)) throw Object.assign(new Error(path), { code: "EISDIR" });
  try {
    return await stat(path);
  } catch (error) {
    // A broken or circular link is replaced like any other.
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ELOOP") return undefined;
    throw error;
  }
}

/** If output is redirected, `/dev/stdout` is a link to a file; that link is not ours to replace. */
async function isOfSystem(path: string): Promise<boolean> {
  const folder = await realpath(dirname(path));
  return folder === "/dev" || folder.startsWith("/proc/");
}

async function replace(path: string, chunks: readonly (Uint8Array | string)[], mode?: number): Promise<void> {
  const folder = dirname(path);
  const aside = asideIn(folder);
  // O_EXCL: never opens a file or link that somebody else put there.
  const file = await open(aside, "wx", mode === undefined ? 0o666 : 0o600);
  try {
    try {
      await writeAll(file, chunks);
      if (mode !== undefined) await file.chmod(mode & 0o777);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

async function writeInto(path: string, chunks: readonly (Uint8Array | string)[]): Promise<void> {
  // If the output is a file, appends to it.
  const file = await open(path, constants.O_WRONLY | constants.O_APPEND);
  try {
    await writeAll(file, chunks);
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, chunks: readonly (Uint8Array | string)[]): Promise<void> {
  for (const chunk of chunks) await file.writeFile(chunk);
}

/** A renamed file only survives a power loss if its folder is flushed too; not all systems support that. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // The file itself is written and in place.
  }
}

const host = self.host.replace(/[^\w.]/g, "_");
/** A unique temporary name for this process, which `removeLeftovers` recognises. */
export const asideIn = (folder: string): string =>
  join(folder, `senet-${host}-${self.pid}-${randomBytes(6).toString("hex")}.partial`);
const asidePattern = /^senet-(.+)-(\d+)-[0-9a-f]{12}\.partial$/;

/** Removes temporary files that killed writers left in a folder; those of running ones stay. */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const match = asidePattern.exec(name);
    if (match === null) continue;
    const path = join(folder, name);
    const isDead = match[1] === host && isOver({ host: self.host, pid: Number(match[2]), start: null }) === true;
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (isDead || Date.now() - mtimeMs > abandonedAfterMs) await rm(path, { force: true }).catch(() => {});
  }
}
