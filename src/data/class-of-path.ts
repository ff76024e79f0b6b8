/** Finds the classes of pictures from their paths, for pictures chosen in a browser; the same rules as `openFolder`. */

import { splitNames } from "./split-names.ts";

/** The part and class of a picture, from its path. */
export interface Placed {
  /** Absent if the picture is not in a class folder. */
  readonly label: string | undefined;
  readonly part: "train" | "val" | undefined;
}

/**
 * A class is a folder directly below the common root (or the root itself if its pictures are directly in it); pictures
 * may be deeper. Folders above the root do not matter. If there are `train` and `val`, each has its own class folders.
 * @param paths `pets/train/cat/2019/001.jpg`, in any order
 * @returns one entry per path, in their order
 */
export function classesOfPaths(paths: readonly string[]): readonly Placed[] {
  const placed = paths.map((path) => {
    const folders = path.split("/").slice(0, -1);
    // The innermost folder may have such a name too; it is a class then.
    const at = folders.findLastIndex((name, i) => i + 1 < folders.length && partOf(name) !== undefined);
    return at < 0 ? { folders, part: undefined } : { folders: folders.slice(at + 1), part: partOf(folders[at]!) };
  });
  const depthOf = (isParted: boolean) =>
    depthOfClasses(placed.filter(({ part }) => (part !== undefined) === isParted).map(({ folders }) => folders));
  const [whole, parted] = [depthOf(false), depthOf(true)];
  return placed.map(({ folders, part }) => ({ label: folders[part === undefined ? whole : parted], part }));
}

/** The depth of the class folders. */
function depthOfClasses(all: readonly (readonly string[])[]): number {
  for (let depth = 0; ; depth++) {
    const names = new Set(all.map((folders) => folders[depth]));
    const isHere = names.delete(undefined);
    if (names.size > 1) return depth;
    if (isHere || names.size === 0) return Math.max(0, depth - 1);
  }
}

function partOf(folder: string): Placed["part"] {
  const { train, val } = splitNames([folder]);
  return train !== undefined ? "train" : val !== undefined ? "val" : undefined;
}
