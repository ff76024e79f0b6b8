/** Several ranks in one process: each is a chain of promises, and they meet where ranks of a job do. */

import type { Bucket, Ranks } from "../src/ranks.ts";

/** Waits until all have brought something, and gives each all of it. */
class Meeting<T> {
  readonly #count: number;
  #brought: (T | undefined)[] = [];
  #waiting: ((all: readonly T[]) => void)[] = [];

  constructor(count: number) {
    this.#count = count;
  }

  come(rank: number, own: T): Promise<readonly T[]> {
    if (this.#brought[rank] !== undefined) throw new Error(`rank ${rank} has come twice`);
    this.#brought[rank] = own;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length < this.#count) return;
      const [all, waiting] = [this.#brought as T[], this.#waiting];
      this.#brought = [];
      this.#waiting = [];
      for (const go of waiting) go(all);
    });
  }
}

export function ranksHere(count: number): Ranks[] {
  const gathering = new Meeting<Uint8Array>(count);
  const summing = new Meeting<Float64Array>(count);
  /** The buckets in the order in which each rank made them. */
  const buckets: Meeting<Float32Array>[] = [];
  return Array.from({ length: count }, (_, rank) => {
    let made = 0;
    return {
      ...{ rank, count, neighbours: 1, waited: 0 },
      name: (of: number) => `rank ${of}`,
      gather: (bytes: Uint8Array) => gathering.come(rank, bytes),
      async sum(values: Float64Array) {
        const all = await summing.come(rank, values.slice());
        values.fill(0);
        for (const theirs of all) for (const [i, value] of theirs.entries()) values[i]! += value;
      },
      bucket(data: Float32Array): Bucket {
        buckets[made] ??= new Meeting(count);
        const meeting = buckets[made++]!;
        let sums: Promise<readonly Float32Array[]> | undefined;
        return {
          start() {
            sums = meeting.come(rank, data.slice());
          },
          async finish() {
            const all = await sums!;
            data.fill(0);
            for (const theirs of all) for (const [i, value] of theirs.entries()) data[i]! += value;
          },
        };
      },
      progress() {},
    };
  });
}
