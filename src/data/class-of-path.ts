/** Which class a picture is of by the folders that it lies in, where many come at once: as `openFolder` reads them. */

import { splitNames } from "./split-names.ts";

/** What is known of a picture by its path. */
export interface Placed {
  /** Absent: it lies in no folder that is a class. */
  readonly label: string | undefined;
  readonly part: "train" | "val" | undefined;
}

/**
 * A class is a folder right below the one that has them all, or that folder itself where its pictures lie in it; pictures
 * may lie deeper. Folders around that one do not matter. Of folders `train` and `val` each has its own classes.
 * @param paths `pets/train/cat/2019/001.jpg`, in any order
 * @returns in the order of the paths
 */
export function classesOfPaths(paths: readonly string[]): readonly Placed[] {
  const placed = paths.map((path) => {
    const folders = path.split("/").slice(0, -1);
    // A folder of pictures may be called so itself: it is a class then.
    const at = folders.findLastIndex((name, i) => i + 1 < folders.length && partOf(name) !== undefined);
    return at < 0 ? { folders, part: undefined } : { folders: folders.slice(at + 1), part: partOf(folders[at]!) };
  });
  const depthOf = (isParted: boolean) =>
    depthOfClasses(placed.filter(({ part }) => (part !== undefined) === isParted).map(({ folders }) => folders));
  const [whole, parted] = [depthOf(false), depthOf(true)];
  return placed.map(({ folders, part }) => ({ label: folders[part === undefined ? whole : parted], part }));
}

/** How deep the folders lie that are classes. */
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
