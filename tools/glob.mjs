import { readdirSync } from "node:fs";
import { join } from "node:path";

/** All files below `folder` whose path satisfies `keep`, sorted. (`fs.globSync` is newer than the oldest supported Node.) */
export function globSync(folder, keep) {
  return readdirSync(folder, { recursive: true })
    .map((path) => join(folder, path))
    .filter(keep)
    .sort();
}
