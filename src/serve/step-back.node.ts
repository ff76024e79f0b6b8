/** Who goes first on a processor. */

import { readlinkSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/** What a thread steps back by: one step is enough, and more would give its work to other programs (docs/log.md). */
const niceness = 1;

/**
 * The main thread, which answers health checks, goes first on a processor: a thread that computes would keep it waiting for
 * its turn. By thread Linux alone has priorities; elsewhere all stay equal. Beside other programs of the machine this weighs as
 * much as `nice` does: in a container or a service of systemd nothing.
 */
export function stepBack(): void {
  try {
    const thread = Number(/\/task\/(\d+)$/.exec(readlinkSync("/proc/thread-self"))?.[1]);
    if (thread > 0) setPriority(thread, Math.min(19, getPriority(thread) + niceness));
  } catch {
    // There is no such place, or it is not allowed.
  }
}
