/** The health of a data set: undecodable pictures, copies, and statistics of sizes and colours. */

import type { Sample } from "./dataset.ts";

/** A picture of the data set. */
export interface CheckedPicture {
  /** `train` or `val`; `all` if the data has no parts. */
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

/** One part of the data. Sizes and colours cover the pictures that could be decoded; NaN if there were none. */
export interface PartHealth {
  readonly part: string;
  readonly root: string;
  readonly pictures: number;
  readonly bad: number;
  readonly classes: readonly { readonly name: string; readonly pictures: number; readonly bad: number }[];
  /** Per channel (red, green, blue), from 0 to 1; each picture counts equally, whatever its size. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  readonly width: Spread;
  readonly height: Spread;
  /** Width divided by height. */
  readonly aspect: Spread;
}

/** A validation picture and the most similar training picture. */
export interface SimilarPictures {
  readonly val: CheckedPicture;
  readonly train: CheckedPicture;
  /** Correlation of their grey values, 0.95 to 1. */
  readonly likeness: number;
}

export interface DataHealth {
  readonly data: string;
  readonly parts: readonly PartHealth[];
  readonly bad: readonly BadPicture[];
  /** Groups of two or more pictures with equal pixels, whatever their files. */
  readonly copies: readonly (readonly CheckedPicture[])[];
  /** Most similar first; without pairs with equal pixels. */
  readonly similar: readonly SimilarPictures[];
  /** Remarks on how the data was read, one line each. */
  readonly remarks: readonly string[];
  /** What is wrong with the data, one line each; empty if it is sound. */
  readonly faults: readonly string[];
  /** False if the signal stopped the check: it then covers the pictures seen so far. */
  readonly finished: boolean;
}
