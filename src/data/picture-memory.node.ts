/** The memory for decoded pictures, which the loaders of a run share: one budget, from what the machine really has left. */

import { availableMemory } from "../memory.node.ts";

/** Structured clones of this share the memory. */
export interface PictureMemory {
  /** Decoded pictures that are kept for the next epoch. */
  readonly cache: SharedArrayBuffer;
  /** A single cell: blocks of the cache in use. */
  readonly used: Int32Array<SharedArrayBuffer>;
  /** Bytes that a loader's pictures may take at once while they are decoded. */
  readonly decodingBytes: number;
}

const MIB = 2 ** 20;

/** More than this brings nothing: eight threads with photographs of 24 megapixels. */
const MOST_DECODING = 1024 * MIB;
/** Less than this would keep the threads from working side by side on small pictures. */
const LEAST_DECODING = 32 * MIB;
const MOST_CACHE = 4096 * MIB;

/**
 * A quarter of what is available, for pictures at work and pictures kept together.
 * @param cacheBytes for those kept, at most a third of what is available; by default what the quarter leaves, at most 4 GiB
 * @param available bytes that this process may still take
 */
export function pictureMemory(cacheBytes?: number, available: number = availableMemory()): PictureMemory {
  const asked = cacheBytes === undefined ? undefined : Math.min(cacheBytes, available / 3);
  const budget = Math.max(0, (available - (asked ?? 0)) / 4);
  const decodingBytes = Math.min(MOST_DECODING, Math.max(LEAST_DECODING, budget / 2));
  return {
    cache: reserve(asked ?? Math.min(MOST_CACHE, Math.max(0, budget - decodingBytes))),
    used: new Int32Array(new SharedArrayBuffer(4)),
    decodingBytes,
  };
}

/** As much as the system grants. It hands out the pages only when they are first written. */
function reserve(bytes: number): SharedArrayBuffer {
  for (let size = Math.floor(bytes); size >= MIB; size = Math.floor(size / 2)) {
    try {
      return new SharedArrayBuffer(size);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return new SharedArrayBuffer(0);
}
