/** Where what was fetched or found out is kept. */

import { rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { makeFoldersSync, reasonOf } from "./files.node.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** `$SENET_CACHE`, else the folder that the system has for such files. */
export function cacheFolder(environment: Environment = process.env, platform = process.platform): string {
  const { SENET_CACHE, XDG_CACHE_HOME, LOCALAPPDATA } = environment;
  // Empty counts as absent: that is how variables are switched off.
  if (SENET_CACHE) return SENET_CACHE;
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, "senet");
  if (platform === "win32") return join(LOCALAPPDATA || join(homedir(), "AppData", "Local"), "senet", "cache");
  if (platform === "darwin") return join(homedir(), "Library", "Caches", "senet");
  return join(homedir(), ".cache", "senet");
}

/** In a line, why nothing can be kept there; none where it can. */
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
