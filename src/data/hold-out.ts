/** Keeps pictures back for validation, for data without a validation part. */

import { SenetError } from "../errors.ts";
import { sha256 } from "../sha256.ts";
import type { Dataset, NameIn, Sample } from "./dataset.ts";

/** How much is kept back, and the seed. */
export interface HeldBack {
  /** The share of each class, approximately: above 0, below 1. */
  readonly valSplit: number;
  readonly seed: number;
}

/**
 * Keeps back about `valSplit` of each class. Whether a picture is kept back depends only on the seed and on its name
 * relative to the root, so adding pictures moves none of the others. A class with two or more pictures has at least one
 * on either side; a single one is used for training.
 * @throws SenetError `usage` where `valSplit` is out of range
 */
export function holdOut(
  dataset: Dataset,
  { valSplit, seed }: HeldBack,
  nameIn: NameIn,
): { train: Dataset; val: Dataset } {
  checkFraction(valSplit);
  const lots = Float64Array.from(dataset.samples, ({ file }) => lotOf(seed, nameIn(dataset, file)));
  const isHeld = Uint8Array.from(lots, (lot) => (lot < valSplit ? 1 : 0));
  for (const places of byClass(dataset)) {
    if (places.length < 2) {
      for (const place of places) isHeld[place] = 0;
      continue;
    }
    const held = places.reduce((sum, place) => sum + isHeld[place]!, 0);
    const best = (isBetter: (a: number, b: number) => boolean) =>
      places.reduce((found, place) => (isBetter(lots[place]!, lots[found]!) ? place : found));
    if (held === 0) isHeld[best((a, b) => a < b)] = 1;
    if (held === places.length) isHeld[best((a, b) => a > b)] = 0;
  }
  const those = (held: 0 | 1): readonly Sample[] => dataset.samples.filter((_, place) => isHeld[place] === held);
  // Remarks stay with the training part, so that each is printed once.
  return { train: { ...dataset, samples: those(0) }, val: { ...dataset, samples: those(1), remarks: [] } };
}

function checkFraction(valSplit: number): void {
  if (valSplit > 0 && valSplit < 1) return;
  throw new SenetError("usage", "this is not a share of pictures for validation", {
    expected: "more than 0 and less than 1; 0.1 is a tenth",
    found: `${valSplit}`,
  });
}

/** A hash of seed and name as a number in [0, 1). */
const lotOf = (seed: number, name: string): number =>
  sha256(`${seed}\0${name}`)
    .subarray(0, 6)
    .reduce((lot, byte) => 256 * lot + byte, 0) /
  2 ** 48;

/** The indices of each class's samples. */
function byClass({ classes, samples }: Dataset): number[][] {
  const places: number[][] = classes.map(() => []);
  for (const [place, { label }] of samples.entries()) places[label]!.push(place);
  return places;
}
