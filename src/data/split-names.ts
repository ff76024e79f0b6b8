/** How people name the two parts of a data set. */

/** The first that is there is taken; in any case. */
const names = { train: ["train", "training"], val: ["val", "validation", "valid", "test", "testing"] } as const;

/** The folders to train on and to validate with, of those that are there. */
export function splitNames(folders: readonly string[]): { train: string | undefined; val: string | undefined } {
  const pick = (wanted: readonly string[]) =>
    wanted.map((name) => folders.find((folder) => folder === name)).find((name) => name !== undefined) ??
    wanted.map((name) => folders.find((folder) => folder.toLowerCase() === name)).find((name) => name !== undefined);
  return { train: pick(names.train), val: pick(names.val) };
}
