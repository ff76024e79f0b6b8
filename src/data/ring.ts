/**
 * The memory that the loader and its worker threads share.
 *
 * The main thread does not respond while a training step runs, so workers never wait for its answers: the work for a whole
 * epoch is known, workers take the next sample by an atomic counter, and wait only for a free slot. Slots form a ring of
 * `depth` batches.
 */

import type { Share } from "./epoch.ts";

/** Cells of `control`. */
export const Cell = {
  /** Number of epochs started; idle workers wait for it to change. −1: the threads must end. */
  generation: 0,
  /** 1: leave the epoch after the current sample. */
  stop: 1,
  /** The next position of the epoch that nobody has taken. */
  next: 2,
  /** The end of the positions. */
  end: 3,
  /** Number of batches taken by the main thread: batch b may be written while `b < released + depth`. */
  released: 4,
  /** Number of workers that are not idle. */
  active: 5,
  epoch: 6,
  /** KiB of memory in use for decoding; workers wait for it to fall. */
  decoding: 7,
  /** The first batch of the epoch to prepare. */
  first: 8,
  /** The next position of the epoch that nobody has read ahead. */
  ahead: 9,
} as const;

const controlCells = 10;

/** The state of each sample in `pictures`: four integers. */
export const Entry = { state: 0, block: 1, width: 2, height: 3, size: 4 } as const;
/** `sound`: decodes, but is not in the memory cache. `stored`: complete in the cache folder. */
export const State = { unknown: 0, cached: 1, failed: 2, sound: 3, stored: 4 } as const;

/** Pictures in the cache start at multiples of this many bytes, so that 32-bit numbers can address 128 GiB. */
export const cacheBlock = 64;

/** Value of `released` that lets workers write without waiting, when nothing will be read any more. */
export const unbounded = 0x7fffffff;

/** May be sent to threads: clones share the memory. */
export interface Ring {
  readonly depth: number;
  readonly batchSize: number;
  /** Number of values per picture: views · planes · size · size. */
  readonly imageLength: number;
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Sample at each position of the epoch. */
  readonly order: Int32Array<SharedArrayBuffer>;
  /** Number of finished samples in each slot. */
  readonly done: Int32Array<SharedArrayBuffer>;
  /** By slot and row; samples are −1 if the picture failed. */
  readonly images: Float32Array<SharedArrayBuffer>;
  readonly samples: Int32Array<SharedArrayBuffer>;
  /** An `Entry` for each sample. */
  readonly entries: Int32Array<SharedArrayBuffer>;
  /** Name in the cache folder of each stored sample, `nameBytes` each. */
  readonly names: Uint8Array<SharedArrayBuffer>;
  readonly share: Share;
}

/** Bytes of a picture's name in the cache folder. */
export const nameBytes = 20;

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
    control: ints(controlCells),
    order: ints(samples),
    done: ints(depth),
    images: new Float32Array(new SharedArrayBuffer(depth * batchSize * imageLength * 4)),
    samples: ints(depth * batchSize),
    entries: ints(samples * Entry.size),
    names: new Uint8Array(new SharedArrayBuffer(hasFolder ? samples * nameBytes : 0)),
  };
}

/** Number of samples in a batch; the epoch's positions end at `end`. */
export function batchCount(ring: Ring, batch: number, end: number): number {
  return Math.min(ring.batchSize, end - batch * ring.batchSize);
}
