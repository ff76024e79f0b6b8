/** Measures how many bytes of gradients the ranks should sum at a time. */

import { type Ranks, totalOf, type Wire } from "../ranks.ts";

const mebibyte = 2 ** 20;
/** Bytes sent in each trial, and the sizes of its pieces. */
export const trialBytes = 8 * mebibyte;
const sizes = [0.25, 0.5, 1, 2, 4, 8].map((size) => size * mebibyte);
/**
 * Share of the best rate that is good enough: with smaller pieces sending starts earlier, and less is left after the
 * backward pass.
 */
const goodEnough = 0.9;
const trials = 3;

export interface BucketSize {
  readonly bytes: number;
  /** Time for all bytes of a trial. */
  readonly milliseconds: number;
}

/**
 * The smallest size with which sums are about as fast as with any; the same on all ranks. The size does not change the
 * sums. All ranks must call it.
 */
export async function measuredBucket(ranks: Ranks, wire: Wire, whole = trialBytes): Promise<BucketSize> {
  const found: BucketSize[] = [];
  for (const bytes of sizes.filter((size) => size <= whole)) {
    const buckets = Array.from({ length: whole / bytes }, (_, i) => ranks.bucket(new Float32Array(bytes / 4), wire, i));
    let least = Number.POSITIVE_INFINITY;
    for (let trial = 0; trial < trials; trial++) {
      // So that all ranks begin together.
      await totalOf(ranks, []);
      const start = performance.now();
      for (const bucket of buckets) bucket.start();
      for (const bucket of buckets) await bucket.finish();
      least = Math.min(least, performance.now() - start);
    }
    const [sum] = await totalOf(ranks, [least]);
    found.push({ bytes, milliseconds: sum! / ranks.count });
  }
  return bestOf(found);
}

/** @param found ordered by size */
export function bestOf(found: readonly BucketSize[]): BucketSize {
  const best = Math.min(...found.map(({ milliseconds }) => milliseconds));
  return found.find(({ milliseconds }) => goodEnough * milliseconds <= best)!;
}
