/** Decodes every picture of a data set once and keeps a few dozen bytes of facts about each. */

import { Fact, looksLength } from "../images/facts.ts";
import type { Dataset, Failure } from "./dataset.ts";
import { Loader, type LoadingOptions } from "./loader.node.ts";

export interface InspectOptions extends LoadingOptions {
  /** Called with the number of pictures inspected so far. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** Facts about pictures, in columns indexed like the data set's samples. */
export interface Inspection {
  readonly dataset: Dataset;
  /** In the order of the data set. */
  readonly failures: readonly Failure[];
  /** 0 for a picture that was not decoded, as in `heights`. */
  readonly widths: Uint32Array;
  readonly heights: Uint32Array;
  /** Hash of the pixels; NaN for a picture that was not decoded. */
  readonly marks: Float64Array;
  readonly looks: Uint16Array;
  /** Sums over the pictures of their pixels' mean and mean square, by channel; pixels from 0 to 1. */
  readonly means: readonly number[];
  readonly squares: readonly number[];
  /** Number of pictures decoded. */
  readonly decoded: number;
  /** False if the signal stopped it. */
  readonly finished: boolean;
}

/** Pictures per batch. */
const picturesAtOnce = 64;

/** Inspects the data set. @throws SenetError as the loader, but not for undecodable pictures */
export async function inspect(
  dataset: Dataset,
  { workers, signal, onFailure = () => {}, onProgress = () => {} }: InspectOptions = {},
): Promise<Inspection> {
  const count = dataset.samples.length;
  const widths = new Uint32Array(count);
  const heights = new Uint32Array(count);
  const marks = new Float64Array(count).fill(Number.NaN);
  const looks = new Uint16Array(count * looksLength);
  const means = [0, 0, 0];
  const squares = [0, 0, 0];
  await using loader = new Loader({
    dataset,
    batchSize: picturesAtOnce,
    cacheBytes: 0,
    tolerant: true,
    onFailure,
    transform: { kind: "inspect" },
    ...(workers !== undefined && { workers }),
  });
  let decoded = 0;
  let finished = true;
  for await (const { images, samples, size } of loader.epoch(0)) {
    for (let row = 0; row < size; row++) {
      const place = samples[row]!;
      const start = row * Fact.side * Fact.side;
      const facts = images.data.subarray(start, start + Fact.side * Fact.side);
      widths[place] = facts[Fact.width]!;
      heights[place] = facts[Fact.height]!;
      marks[place] = markOf(facts);
      looks.set(facts.subarray(Fact.looks, Fact.looks + looksLength), place * looksLength);
      for (let channel = 0; channel < 3; channel++) {
        means[channel]! += facts[Fact.mean + channel]! / 255;
        squares[channel]! += facts[Fact.square + channel]! / 255 ** 2;
      }
    }
    decoded += size;
    onProgress(decoded + loader.failures.length);
    if (signal?.aborted === true) {
      finished = decoded + loader.failures.length === count;
      break;
    }
  }
  const failures = inOrder(dataset, loader.failures);
  return { dataset, failures, widths, heights, marks, looks, means, squares, decoded, finished };
}

/** 53 of the hash's 64 bits, as a whole number. */
const markOf = (facts: ArrayLike<number>): number =>
  [0, 1, 2].reduce((sum, i) => sum * 2 ** 16 + facts[Fact.pixels + i]!, 0) * 2 ** 5 + (facts[Fact.pixels + 3]! & 31);

export function inOrder({ samples }: Dataset, failures: readonly Failure[]): Failure[] {
  if (failures.length === 0) return [];
  const failed = new Map(failures.map((failure) => [failure.file, failure]));
  return samples.flatMap(({ file }) => failed.get(file) ?? []);
}
