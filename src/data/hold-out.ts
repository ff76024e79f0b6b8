/** Pictures that are kept back to validate with, of data that has no part for it. */

import { SenetError } from "../errors.ts";
import { sha256 } from "../sha256.ts";
import type { Dataset, NameIn, Sample } from "./dataset.ts";

/** How much is kept back, and by which seed. */
export interface HeldBack {
  /** About this part of each class: above 0, below 1. */
  readonly valSplit: number;
  readonly seed: number;
}

/**
 * Keeps back about `valSplit` of each class. Whether a picture is one of those depends on the seed and on its own name
 * below the root alone: pictures that are added later move none of the others. Of a class with two pictures or more, one
 * at least is on either side; a single one is trained on.
 * @throws SenetError `usage` where `valSplit` is out of its range
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
  // What is to be known of the data is said once, of the part that is trained on.
  return { train: { ...dataset, samples: those(0) }, val: { ...dataset, samples: those(1), remarks: [] } };
}

function checkFraction(valSplit: number): void {
  if (valSplit > 0 && valSplit < 1) return;
  throw new SenetError("usage", "this is no part of the pictures to validate with", {
    expected: "more than 0 and less than 1; 0.1 is a tenth",
    found: `${valSplit}`,
  });
}

/** In [0, 1), as good as drawn. */
const lotOf = (seed: number, name: string): number =>
  sha256(`${seed}\0${name}`)
    .subarray(0, 6)
    .reduce((lot, byte) => 256 * lot + byte, 0) /
  2 ** 48;

/** The places of each class's samples. */
function byClass({ classes, samples }: Dataset): number[][] {
  const places: number[][] = classes.map(() => []);
  for (const [place, { label }] of samples.entries()) places[label]!.push(place);
  return places;
}
