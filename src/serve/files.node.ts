/** The files of a network: their hash, and whether they have changed. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { relative, resolve, sep } from "node:path";
import { SenetError } from "../errors.ts";

/** SHA-256 of the files' contents. */
export async function hashOf(paths: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const path of paths) for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** A stamp that changes whenever a file changes or is replaced, or a folder's contents change. */
export async function stampOf(paths: readonly string[]): Promise<string> {
  const stamps: unknown[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    const names = found?.isDirectory() ? (await readdir(path).catch(() => [])).sort() : [];
    stamps.push([path, found?.size, found?.mtimeMs, found?.ctimeMs, found?.ino, names]);
  }
  return JSON.stringify(stamps);
}

/**
 * Checks that all files are below a folder, with links resolved.
 * @throws SenetError `usage` where one is not
 */
export async function checkBelow(root: string, paths: readonly string[]): Promise<void> {
  const top = await realpath(root).catch(() => resolve(root));
  for (const path of paths) {
    const file = await realpath(path).catch(() => resolve(path));
    const way = relative(top, file);
    if (way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && resolve(top, way) === file) continue;
    throw new SenetError("usage", "this file is not below the folder that networks are served from", {
      where: path,
      expected: `a file below ${root}`,
      ...(file !== resolve(path) && { found: `a link to ${file}` }),
    });
  }
}
