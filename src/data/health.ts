/** The health of a data set: what cannot be decoded, what is there twice, and what the pictures are like. */

import type { Sample } from "./dataset.ts";

/** A picture of the data. */
export interface CheckedPicture {
  /** `train` or `val`; `all` where the data is not in parts. */
  readonly part: string;
  readonly class: string;
  readonly sample: Sample;
}

export interface BadPicture extends CheckedPicture {
  readonly reason: string;
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** One part of the data. Sizes and colours are of the pictures that could be decoded; NaN where none could. */
export interface PartHealth {
  readonly part: string;
  readonly root: string;
  readonly pictures: number;
  readonly bad: number;
  readonly classes: readonly { readonly name: string; readonly pictures: number; readonly bad: number }[];
  /** Of red, green and blue, from 0 to 1; each picture counts alike, whatever its size. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  readonly width: Spread;
  readonly height: Spread;
  /** Width by height. */
  readonly aspect: Spread;
}

/** A picture to validate with and the most similar one of those to train on. */
export interface SimilarPictures {
  readonly val: CheckedPicture;
  readonly train: CheckedPicture;
  /** The correlation of their greys, 0.95 to 1. */
  readonly likeness: number;
}

export interface DataHealth {
  readonly data: string;
  readonly parts: readonly PartHealth[];
  readonly bad: readonly BadPicture[];
  /** Pictures of equal pixels, whatever their files are; each group has two or more. */
  readonly copies: readonly (readonly CheckedPicture[])[];
  /** The most similar first; without those of equal pixels. */
  readonly similar: readonly SimilarPictures[];
  /** What should be known of how the data was read, a line each. */
  readonly remarks: readonly string[];
  /** What is wrong with the data, a line each; empty where it is sound. */
  readonly faults: readonly string[];
  /** False where the signal stopped it: what is told is of the pictures seen so far. */
  readonly finished: boolean;
}
