/** OpenMP, by which oneDNN computes in several threads: GNU's or LLVM's. */

import koffi from "koffi";
import { availableAddresses, stackBytes } from "../../memory.node.ts";

interface OpenMp {
  setThreads(count: number): void;
  /**
   * Calls a function of C in as many threads, which then wait for their next work. GNU's, which LLVM's has too, but not
   * on macOS.
   */
  readonly parallel?: (address: bigint, data: null, threads: number, flags: number) => void;
}

/**
 * Sets the number of threads for the library's next calls from this thread, if it was built with GNU's or LLVM's
 * OpenMP.
 * @returns whether that was possible
 */
export function setThreads(count: number): boolean {
  openMp ??= findOpenMp();
  openMp?.setThreads(count);
  return openMp !== null;
}

/** Address space left to everything else. */
const keptAddresses = 64 * 2 ** 20;

/** The number of threads whose stacks fit into the address space that is left; the calling thread has its own. */
export const affordableTeam = (wanted: number, addresses = availableAddresses(), stack = stackBytes()): number =>
  Math.min(wanted, 1 + Math.max(0, Math.floor((addresses - keptAddresses) / stack)));

/**
 * Under `ulimit -v`, OpenMP ends the process if it cannot start its threads. So there are at most as many as fit, and
 * they are started before the network's memory takes their place.
 * @returns the number of threads, at most as many as wanted
 */
export function startTeam(wanted: number): number {
  if (availableAddresses() === Number.POSITIVE_INFINITY) return wanted;
  const threads = affordableTeam(wanted);
  openMp ??= findOpenMp();
  // Freeing nothing does nothing.
  if (threads > 1)
    openMp?.parallel?.(koffi.address(koffi.load(null).symbol("free", "void *")) as bigint, null, threads, 0);
  return threads;
}

/** Looked up once, since each run needs it several times; `null`: not found. */
let openMp: OpenMp | null | undefined;

function findOpenMp(): OpenMp | null {
  for (const name of ["libgomp.so.1", "libomp.dylib", "/opt/homebrew/opt/libomp/lib/libomp.dylib", "libomp.so.5"]) {
    try {
      const library = koffi.load(name);
      const setThreads = library.func("void omp_set_num_threads(int count)");
      if (process.platform === "darwin") return { setThreads };
      const parallel = library.func("void GOMP_parallel(void *call, void *data, uint threads, uint flags)");
      return { setThreads, parallel };
    } catch {}
  }
  return null;
}
