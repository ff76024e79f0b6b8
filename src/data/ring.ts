/**
 * The memory that the loader and its worker threads share.
 *
 * The main thread is deaf while a training step runs, so no worker ever waits for an answer from it: what there is to do
 * is known for a whole epoch, workers take the next sample by an atomic counter, and wait only for a slot to be free.
 * Slots form a ring of `depth` batches.
 */

import type { Share } from "./epoch.ts";

/** Cells of `control`. */
export const Cell = {
  /** Counts epochs started; changes are what idle workers wait for. −1: the threads are to end. */
  generation: 0,
  /** 1: leave the epoch as soon as the sample at hand is done. */
  stop: 1,
  /** The next sample of the epoch (a position in its order) that nobody has taken. */
  next: 2,
  /** The end of the positions. */
  end: 3,
  /** Batches taken out by the main thread: batch b may be written while `b < released + depth`. */
  released: 4,
  /** Workers that are not idle yet. */
  active: 5,
  epoch: 6,
  /** KiB of memory that pictures take while they are decoded; workers wait for it to become less. */
  decoding: 7,
  /** The first batch of the epoch that is wanted. */
  first: 8,
  /** The next sample of the epoch (a position in its order) that nobody has read ahead. */
  ahead: 9,
} as const;

const CELLS = 10;

/** The state of each sample in `pictures`: four integers. */
export const Entry = { state: 0, block: 1, width: 2, height: 3, size: 4 } as const;
/** `sound`: it has been read to its end, and is not in the cache. `stored`: it lies whole in the cache's folder. */
export const State = { unknown: 0, cached: 1, failed: 2, sound: 3, stored: 4 } as const;

/** Pictures in the cache begin at multiples of this many bytes, so that 32-bit numbers reach 128 GiB. */
export const CACHE_BLOCK = 64;

/** `released` for "write without waiting", when nothing will be read any more. */
export const UNBOUNDED = 0x7fffffff;

/** Structured clones of this share the memory. */
export interface Ring {
  readonly depth: number;
  readonly batchSize: number;
  /** Values of one picture's input: views · 3 · size · size. */
  readonly imageLength: number;
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Samples by position in the epoch. */
  readonly order: Int32Array<SharedArrayBuffer>;
  /** By slot: samples finished. */
  readonly done: Int32Array<SharedArrayBuffer>;
  /** By slot and row; samples are −1 where the picture failed. */
  readonly images: Float32Array<SharedArrayBuffer>;
  readonly samples: Int32Array<SharedArrayBuffer>;
  /** By sample: an `Entry`. */
  readonly entries: Int32Array<SharedArrayBuffer>;
  /** By sample that is stored: its name in the cache's folder, of `NAME_BYTES`. */
  readonly names: Uint8Array<SharedArrayBuffer>;
  readonly share: Share;
}

/** Bytes of a picture's name in the cache's folder. */
export const NAME_BYTES = 20;

export function createRing(
  options: Pick<Ring, "depth" | "batchSize" | "imageLength" | "share"> & {
    readonly samples: number;
    /** Whether there is a folder for decoded pictures. */
    readonly hasFolder: boolean;
  },
): Ring {
  const { depth, batchSize, imageLength, samples, share, hasFolder } = options;
  const ints = (count: number) => new Int32Array(new SharedArrayBuffer(count * 4));
  return {
    depth,
    batchSize,
    imageLength,
    share,
    control: ints(CELLS),
    order: ints(samples),
    done: ints(depth),
    images: new Float32Array(new SharedArrayBuffer(depth * batchSize * imageLength * 4)),
    samples: ints(depth * batchSize),
    entries: ints(samples * Entry.size),
    names: new Uint8Array(new SharedArrayBuffer(hasFolder ? samples * NAME_BYTES : 0)),
  };
}

/** How many samples the batch has, of `end` in all. */
export function batchCount(ring: Ring, batch: number, end: number): number {
  return Math.min(ring.batchSize, end - batch * ring.batchSize);
}
