/** One rank of a job that tries what ranks do together; rank 0 prints what came out, as JSON. Run by src/mpi/world.test.ts. */

import { createHash } from "node:crypto";
import { openJob } from "../src/mpi/launch.node.ts";
import { createRandom } from "../src/random.ts";
import { fromFirst, type Wire } from "../src/ranks.ts";

const job = await openJob();

const numbersOf = (rank: number, length: number): Float32Array => {
  const random = createRandom(7, rank, length);
  return Float32Array.from({ length }, () => random.normal() * 10 ** (6 * random.uniform() - 3));
};

/** What each rank should have, added up in float32 in the order of the ranks. */
function expected(length: number): Float32Array {
  const sums = numbersOf(0, length);
  for (let rank = 1; rank < job.count; rank++) {
    const theirs = numbersOf(rank, length);
    for (let i = 0; i < length; i++) sums[i] = sums[i]! + theirs[i]!;
  }
  return sums;
}

const failures: string[] = [];
const digest = createHash("sha256");
const lengths = [1, 7, 1000, 300_001, 5];
for (const wire of ["float32", "bf16"] satisfies Wire[]) {
  for (let round = 0; round < 2; round++) {
    const numbers = lengths.map((length) => numbersOf(job.rank, length));
    const buckets = numbers.map((data, i) => job.bucket(data, wire, i));
    for (const bucket of buckets) {
      bucket.start();
      job.progress();
      // What others tell each other meanwhile does not get in the way.
      const told = Float64Array.of(job.rank, 0.1);
      await job.sum(told);
      if (told[0] !== (job.count * (job.count - 1)) / 2) failures.push(`sum ${told[0]}`);
    }
    for (const bucket of buckets.toReversed()) await bucket.finish();
    for (const data of numbers) {
      digest.update(data);
      const sums = expected(data.length);
      const largest = sums.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const worst = data.reduce((most, value, i) => Math.max(most, Math.abs(value - sums[i]!)), 0);
      // Each number and the sum are rounded to eight bits.
      if (worst > (wire === "float32" ? 0 : largest / 64)) failures.push(`${wire} ${data.length}: ${worst}`);
    }
  }
}
const told = await job.gather(new TextEncoder().encode("x".repeat(job.rank)));
if (told.some((bytes, rank) => bytes.length !== rank)) failures.push("gather");
if ((await fromFirst(job, () => job.rank)) !== 0) failures.push("fromFirst");
const digests = await job.gather(digest.digest());
if (digests.some((bytes) => Buffer.compare(bytes, digests[0]!) !== 0)) failures.push("ranks differ");
const { rank, count, neighbours } = job;
if (rank === 0 || failures.length > 0) {
  console.log(JSON.stringify({ rank, count, neighbours, failures, digest: Buffer.from(digests[0]!).toString("hex") }));
}
await job.close();
