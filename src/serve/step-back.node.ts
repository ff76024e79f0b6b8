/** Priority of threads. */

import { readlinkSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/**
 * Lowered priority of a thread: one step is enough, and more would give processor time to other programs (docs/log.md).
 */
const niceness = 1;

/**
 * Lowers the thread's priority, so that the main thread, which answers health checks, goes first. Only Linux has
 * priorities per thread. Compared with other programs on the machine, this counts as much as `nice` does: nothing in a
 * container or a systemd service.
 */
export function stepBack(): void {
  try {
    const thread = Number(/\/task\/(\d+)$/.exec(readlinkSync("/proc/thread-self"))?.[1]);
    if (thread > 0) setPriority(thread, Math.min(19, getPriority(thread) + niceness));
  } catch {
    // Not available or not allowed.
  }
}
