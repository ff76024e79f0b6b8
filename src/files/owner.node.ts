/** Identifies processes that own files, and tells whether they still run. */

import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** A process, distinguishable from a later one with the same number. */
export interface Owner {
  readonly host: string;
  readonly pid: number;
  /** Start time in the system's units; `null` if unknown. */
  readonly start: string | null;
}

/** This process. */
export const self: Owner = { host: hostname(), pid: process.pid, start: startOf(process.pid) };

/**
 * Whether a process has ended; `undefined` for one on another machine (or in another container), which cannot be
 * checked from here.
 */
export function isOver({ host, pid, start }: Owner): boolean | undefined {
  if (host !== self.host) return undefined;
  try {
    process.kill(pid, 0); // asks only
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return true;
  }
  const now = startOf(pid);
  return start !== null && now !== null && now !== start;
}

/** Field 22 of /proc/PID/stat: the start in ticks since the system's start; `null` without /proc. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in parentheses, which may contain anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie has ended, although its parent has not waited for it yet.
    return fields[0] === "Z" || fields[0] === "X" ? "" : (fields[19] ?? null);
  } catch {
    return null;
  }
}
