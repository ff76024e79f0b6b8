/** Memory in huge pages: fewer page faults where it is first written, and fewer TLB misses (docs/log.md). */

import { createRequire } from "node:module";

/** Size of a huge page on x86-64, and on arm64 with 4 KiB pages. */
export const hugePage = 2 ** 21;

/**
 * Asks Linux for huge pages from the buffer's first boundary of one to its end. Must be called before the memory is
 * touched. Where nothing can be asked for, or there is no whole page, nothing happens.
 */
export function adviseHugePages(buffer: ArrayBufferLike): void {
  if (process.platform !== "linux" || buffer.byteLength < 2 * hugePage) return;
  madvise ??= findMadvise();
  madvise?.(buffer);
}

/** Looked up once; `null`: not found. */
let madvise: ((buffer: ArrayBufferLike) => void) | null | undefined;

/** Without native functions everything works, only slower: so nothing is imported statically here. */
function findMadvise(): ((buffer: ArrayBufferLike) => void) | null {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi").default;
    const call = koffi.load(null).func("int madvise(void *address, size_t length, int advice)");
    const advice = 14;
    return (buffer) => {
      const address = koffi.address(new Uint8Array(buffer, 0, 1)) as bigint;
      const start = offsetToBoundary(address, hugePage);
      call(address + BigInt(start), buffer.byteLength - start, advice);
    };
  } catch {
    return null;
  }
}

/** Bytes from the address to the next multiple of `boundary`. */
export function offsetToBoundary(address: bigint, boundary: number): number {
  const over = Number(address % BigInt(boundary));
  return over === 0 ? 0 : boundary - over;
}
