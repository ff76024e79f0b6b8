/** The usual names for the two parts of a data set. */

/** In order of preference; case does not matter. */
const names = { train: ["train", "training"], val: ["val", "validation", "valid", "test", "testing"] } as const;

/** Chooses the training and the validation folder among those that exist. */
export function splitNames(folders: readonly string[]): { train: string | undefined; val: string | undefined } {
  const pick = (wanted: readonly string[]) =>
    wanted.map((name) => folders.find((folder) => folder === name)).find((name) => name !== undefined) ??
    wanted.map((name) => folders.find((folder) => folder.toLowerCase() === name)).find((name) => name !== undefined);
  return { train: pick(names.train), val: pick(names.val) };
}
