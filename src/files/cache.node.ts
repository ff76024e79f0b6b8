/** The cache folder for downloads and measurements. */

import { rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { makeFoldersSync, reasonOf } from "./files.node.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** `$SENET_CACHE`, or the system's usual cache folder. */
export function cacheFolder(environment: Environment = process.env, platform = process.platform): string {
  const { SENET_CACHE, XDG_CACHE_HOME, LOCALAPPDATA } = environment;
  // An empty variable counts as unset.
  if (SENET_CACHE) return SENET_CACHE;
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, "senet");
  if (platform === "win32") return join(LOCALAPPDATA || join(homedir(), "AppData", "Local"), "senet", "cache");
  if (platform === "darwin") return join(homedir(), "Library", "Caches", "senet");
  return join(homedir(), ".cache", "senet");
}

/** Why the cache cannot be written, in one line; undefined if it can. */
export function cacheFault(): string | undefined {
  const folder = cacheFolder();
  const probe = join(folder, `.senet-${process.pid}`);
  try {
    makeFoldersSync(folder);
    writeFileSync(probe, "");
    rmSync(probe);
    return undefined;
  } catch (cause) {
    return `the cache ${folder} cannot be written to: ${reasonOf(cause)}`;
  }
}
