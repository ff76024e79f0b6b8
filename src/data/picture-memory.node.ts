/** Memory for decoded pictures, shared by the loaders of a run: one budget, from the memory that is really free. */

import { adviseHugePages, availableMemory } from "../memory.node.ts";

/** May be sent to threads: clones share the memory. */
export interface PictureMemory {
  /** Decoded pictures kept for the next epoch. */
  readonly cache: SharedArrayBuffer;
  /** One cell: number of cache blocks in use. */
  readonly used: Int32Array<SharedArrayBuffer>;
  /** Bytes that pictures of one loader may take while they are decoded. */
  readonly decodingBytes: number;
}

const mebibyte = 2 ** 20;

/** More does not help: enough for eight threads with photographs of 24 megapixels. */
const mostDecoding = 1024 * mebibyte;
/** Less would keep threads from decoding even small pictures in parallel. */
const leastDecoding = 32 * mebibyte;
const mostCache = 4096 * mebibyte;

/**
 * Divides a quarter of the available memory between pictures being decoded and pictures kept.
 * @param cacheBytes bytes for pictures kept, at most a third of what is available; default: the rest of the quarter, at
 * most 4 GiB
 * @param available bytes that this process may still use
 */
export function pictureMemory(cacheBytes?: number, available: number = availableMemory()): PictureMemory {
  const asked = cacheBytes === undefined ? undefined : Math.min(cacheBytes, available / 3);
  const budget = Math.max(0, (available - (asked ?? 0)) / 4);
  const decodingBytes = Math.min(mostDecoding, Math.max(leastDecoding, budget / 2));
  return {
    cache: reserve(asked ?? Math.min(mostCache, Math.max(0, budget - decodingBytes))),
    used: new Int32Array(new SharedArrayBuffer(4)),
    decodingBytes,
  };
}

/** Reserves as much as the system grants. Pages are only allocated when first written. */
function reserve(bytes: number): SharedArrayBuffer {
  for (let size = Math.floor(bytes); size >= mebibyte; size = Math.floor(size / 2)) {
    try {
      const memory = new SharedArrayBuffer(size);
      adviseHugePages(memory);
      return memory;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return new SharedArrayBuffer(0);
}
