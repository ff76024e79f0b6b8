/** Processes ("ranks") that train one network together: the interface through which they communicate. */

export interface Ranks {
  /** The number of this process, from 0. */
  readonly rank: number;
  readonly count: number;
  /** How many ranks run on this host, including this one. */
  readonly neighbours: number;
  /** A rank's description for people: `rank 3 on host b`. */
  name(rank: number): string;
  /**
   * The bytes that each rank passes, in the order of the ranks. Like the methods below, it must be called by all ranks in
   * the same order.
   */
  gather(bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /** Sums over the ranks, element by element and in place; in the order of the ranks, so all get the same bits. */
  sum(values: Float64Array): Promise<void>;
  /**
   * Memory that is summed over the ranks repeatedly, in place, while other work goes on.
   * @param data has the same length on all ranks
   * @param index tells apart the buckets that are summed at the same time; the same on all ranks
   */
  bucket(data: Float32Array, wire: Wire, index: number): Bucket;
  /** Advances the sums under way; to be called often while other work goes on. */
  progress(): void;
  /** Milliseconds that this process has waited for the others so far. */
  readonly waited: number;
}

/** The format in which numbers are sent. They are always added in float32, in the order of the ranks. */
export type Wire = "float32" | "bf16";

export interface Bucket {
  /** Starts the sum; the memory must not be touched until `finish`. */
  start(): void;
  /** Resolves when the memory holds the sums. */
  finish(): Promise<void>;
}

/** A single process, not part of a job. */
export const alone: Ranks = {
  rank: 0,
  count: 1,
  neighbours: 1,
  name: () => "this process",
  gather: async (bytes) => [bytes],
  sum: async () => {},
  bucket: () => ({ start: () => {}, finish: async () => {} }),
  progress: () => {},
  waited: 0,
};

/** The sums of some numbers over all ranks. */
export async function totalOf(ranks: Ranks, values: readonly number[]): Promise<readonly number[]> {
  const sums = Float64Array.from(values);
  await ranks.sum(sums);
  return [...sums];
}

/** Calls `find` on rank 0 only and gives its result (by JSON) to all ranks. */
export async function fromFirst<T>(ranks: Ranks, find: () => Promise<T> | T): Promise<T> {
  if (ranks.count === 1) return find();
  const found = ranks.rank === 0 ? JSON.stringify(await find()) : "";
  const [first] = await ranks.gather(new TextEncoder().encode(found));
  return JSON.parse(new TextDecoder().decode(first)) as T;
}

/** Replaces the numbers, in place, by their means over the ranks; numbers that are equal everywhere do not change. */
export async function averageOver(ranks: Ranks, arrays: readonly NumberArray[]): Promise<void> {
  if (ranks.count === 1) return;
  const all = new Float64Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  for (const array of arrays) {
    all.set(array, start);
    start += array.length;
  }
  await ranks.sum(all);
  start = 0;
  for (const array of arrays) {
    for (let i = 0; i < array.length; i++) array[i] = all[start + i]! / ranks.count;
    start += array.length;
  }
}

interface NumberArray extends ArrayLike<number> {
  [index: number]: number;
}
