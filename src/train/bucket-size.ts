/** How much of the gradients is best sent at a time between these ranks, found out by trying. */

import { type Ranks, totalOf, type Wire } from "../ranks.ts";

const mebibyte = 2 ** 20;
/** What is sent in each trial, and the sizes of its pieces. */
export const trialBytes = 8 * mebibyte;
const sizes = [0.25, 0.5, 1, 2, 4, 8].map((size) => size * mebibyte);
/** Of the best rate: smaller pieces leave earlier, and less of the last one is left when the backward pass is done. */
const goodEnough = 0.9;
const trials = 3;

export interface BucketSize {
  readonly bytes: number;
  /** For all gradients of a trial. */
  readonly milliseconds: number;
}

/**
 * The smallest size with which sums are about as quick as with any, the same on all ranks. Sums do not depend on it.
 * To be called by all of them.
 */
export async function measuredBucket(ranks: Ranks, wire: Wire, whole = trialBytes): Promise<BucketSize> {
  const found: BucketSize[] = [];
  for (const bytes of sizes.filter((size) => size <= whole)) {
    const buckets = Array.from({ length: whole / bytes }, (_, i) => ranks.bucket(new Float32Array(bytes / 4), wire, i));
    let least = Number.POSITIVE_INFINITY;
    for (let trial = 0; trial < trials; trial++) {
      // So that all begin together.
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

/** @param found in the order of their sizes */
export function bestOf(found: readonly BucketSize[]): BucketSize {
  const best = Math.min(...found.map(({ milliseconds }) => milliseconds));
  return found.find(({ milliseconds }) => goodEnough * milliseconds <= best)!;
}
