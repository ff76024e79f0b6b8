/** Which process something belongs to, and whether that process still runs. */

import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** A process, told apart from every other, also from a later one that was given the same number. */
export interface Owner {
  readonly host: string;
  readonly pid: number;
  /** When it started, as the system counts; `null` where the system does not say. */
  readonly start: string | null;
}

/** This process. */
export const self: Owner = { host: hostname(), pid: process.pid, start: startOf(process.pid) };

/**
 * Whether a process is over: true or false where that is certain, `undefined` for one on another machine (or in another
 * container), which cannot be asked from here.
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

/** Field 22 of /proc/PID/stat: the start in ticks since the system's; `null` where there is no /proc. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in brackets, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie has ended: only its parent has not asked yet.
    return fields[0] === "Z" || fields[0] === "X" ? "" : (fields[19] ?? null);
  } catch {
    return null;
  }
}
