/** The processes that train one network together: what they tell each other, and the one that is alone. */

export interface Ranks {
  /** Which of them this process is, from 0. */
  readonly rank: number;
  readonly count: number;
  /** Those that share this host's processors with this one, itself too. */
  readonly neighbours: number;
  /** Who a rank is, for people: `rank 3 on host b`. */
  name(rank: number): string;
  /** What each rank gives, in their order. Like all that follows it is to be called by all of them, in the same order. */
  gather(bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /** Adds up, element by element and in place, in the order of the ranks: all get the same bits. */
  sum(values: Float64Array): Promise<void>;
  /**
   * Memory that is summed over the ranks again and again, where it lies, while other things are computed.
   * @param data of the same length on all ranks
   * @param index which bucket it is to all of them, of those that are summed at a time
   */
  bucket(data: Float32Array, wire: Wire, index: number): Bucket;
  /** Lets sums that are under way go on; to be called often meanwhile. */
  progress(): void;
  /** Milliseconds that this process has waited for others so far. */
  readonly waited: number;
}

/** What numbers are sent as. They are added in float32, in the order of the ranks, whatever they were sent as. */
export type Wire = "float32" | "bf16";

export interface Bucket {
  /** From now on the memory is left alone. */
  start(): void;
  /** Now the sums are there. */
  finish(): Promise<void>;
}

/** One process by itself. */
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

/** What rank 0 found out, for all. */
export async function fromFirst<T>(ranks: Ranks, find: () => Promise<T> | T): Promise<T> {
  if (ranks.count === 1) return find();
  const found = ranks.rank === 0 ? JSON.stringify(await find()) : "";
  const [first] = await ranks.gather(new TextEncoder().encode(found));
  return JSON.parse(new TextDecoder().decode(first)) as T;
}

/** Makes numbers that differ between the ranks their mean; where they do not differ they stay as they are. */
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
