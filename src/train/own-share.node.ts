/**
 * Default share of a host's threads and memory for each of the ranks on it. The number of threads stays fixed even on a
 * busy machine: all ranks must lay out their gradients alike, and runs must be reproducible to the bit.
 */

import { usableThreads } from "../machine.node.ts";
import { availableMemory } from "../memory.node.ts";
import { alone } from "../ranks.ts";
import type { PrepareOptions } from "./prepare.node.ts";

type Uses = Pick<PrepareOptions, "threads" | "workers" | "cacheBytes">;

const mostCache = 4 * 2 ** 30;

/** @param machine the threads and memory that this process could use alone */
export function ownShare(
  { ranks = alone, threads, workers, cacheBytes }: Uses & Pick<PrepareOptions, "ranks">,
  machine = { threads: usableThreads(), memory: availableMemory() },
): Uses {
  const { neighbours, count } = ranks;
  if (count === 1) return { threads, workers, cacheBytes };
  const own = Math.max(1, Math.floor(machine.threads / neighbours));
  if (neighbours === 1) return { threads: threads ?? own, workers, cacheBytes };
  return {
    threads: threads ?? own,
    workers: workers ?? Math.min(8, Math.max(1, own - 1)),
    cacheBytes: cacheBytes ?? Math.min(mostCache, machine.memory / 4) / neighbours,
  };
}
