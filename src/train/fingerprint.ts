/** A fingerprint of a run's pictures: how many there are of each class, and a digest of their names. */

import { some } from "../data/classes.ts";
import type { Dataset, NameIn } from "../data/dataset.ts";
import * as z from "../schema.ts";
import { hexOf, sha256 } from "../sha256.ts";

/** The pictures of each class, by label. */
const classesSchema = z.array(
  z.strictObject({
    count: z.int().check(z.gte(0)),
    /** Digest of their names relative to the folder, in order. */
    names: z.string(),
  }),
);

/** Its size does not depend on the number of pictures, nor its value on where the data folder is. */
export const fingerprintSchema = z.strictObject({ train: classesSchema, val: classesSchema });
export type Fingerprint = z.output<typeof fingerprintSchema>;

export const fingerprintOf = (train: Dataset, val: Dataset, nameIn: NameIn): Fingerprint => ({
  train: printOf(train, nameIn),
  val: printOf(val, nameIn),
});

function printOf(dataset: Dataset, nameIn: NameIn): Fingerprint["train"] {
  const names: string[][] = dataset.classes.map(() => []);
  for (const { file, label } of dataset.samples) names[label]!.push(nameIn(dataset, file));
  return names.map((list) => ({
    count: list.length,
    names: hexOf(sha256(list.sort().join("\0"))).slice(0, 12),
  }));
}

/** Differences between two sets of pictures of the same classes, one line each. */
export function changesBetween(before: Fingerprint, now: Fingerprint, classes: readonly string[]): string[] {
  const parts = [
    ["pictures to train on", before.train, now.train],
    ["pictures to validate with", before.val, now.val],
  ] as const;
  return parts.flatMap(([what, old, found]) => {
    const sum = (print: Fingerprint["train"]) => print.reduce((total, { count }) => total + count, 0);
    const counted: string[] = [];
    const renamed: string[] = [];
    for (const [label, name] of classes.entries()) {
      const [was, is] = [old[label], found[label]];
      if (was?.count !== is?.count) counted.push(`${name}: ${is?.count ?? 0} instead of ${was?.count ?? 0}`);
      else if (was?.names !== is?.names) renamed.push(name);
    }
    const lines: string[] = [];
    if (counted.length > 0) lines.push(`${sum(found)} ${what} instead of ${sum(old)} (${some(counted)})`);
    if (renamed.length > 0) lines.push(`other ${what} of the same number in ${some(renamed)}`);
    return lines;
  });
}
