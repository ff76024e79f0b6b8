/** The files that a network is in: which they are, what they hold, and whether they have changed. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { SenetError } from "../errors.ts";

/** SHA-256 of files, and of what lies directly in folders. */
export async function hashOf(paths: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const path of await filesIn(paths))
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** The files themselves, and those that lie directly in folders, which are a model in several files. */
async function filesIn(paths: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const path of paths) {
    if (!(await stat(path).catch(() => undefined))?.isDirectory()) found.push(path);
    else {
      const entries = await readdir(path, { withFileTypes: true });
      found.push(
        ...entries
          .filter((entry) => entry.isFile())
          .map(({ name }) => join(path, name))
          .sort(),
      );
    }
  }
  return found;
}

/** Changes whenever one of the files does, or another takes its place. */
export async function stampOf(paths: readonly string[]): Promise<string> {
  const stamps: unknown[] = [];
  for (const path of await filesIn(paths)) {
    const found = await stat(path).catch(() => undefined);
    stamps.push([path, found?.size, found?.mtimeMs, found?.ctimeMs, found?.ino]);
  }
  return JSON.stringify(stamps);
}

/**
 * The files by their true paths, all below a folder, also where links lead.
 * @throws SenetError `usage` where one is elsewhere
 */
export async function checkBelow(root: string, paths: readonly string[]): Promise<void> {
  const top = await realpath(root).catch(() => resolve(root));
  for (const path of await filesIn(paths)) {
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
