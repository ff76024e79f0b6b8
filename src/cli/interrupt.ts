/** Ctrl-C, a closed terminal and a request to end, none of which loses anything. */

import { readFileSync, readlinkSync } from "node:fs";
import { constants } from "node:os";

/** A shell that is told to stop may pass that on to a process that was told so already (as npm does). */
const echoMs = 100;

/**
 * Runs `work`; the first Ctrl-C, SIGTERM, SIGUSR2 (which mpirun passes on at once) or closed terminal (SIGHUP) calls `say` and aborts the signal, a second one
 * ends the process. A terminal that closes tells so more than once and ends nothing that is still being saved; what was
 * started with `nohup` does not hear of it.
 * @param say is given the exit code that this signal is for: 130, 143, 140 or 129
 */
export async function interruptible<T>(
  say: (exitCode: number) => void,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const interrupt = new AbortController();
  let first = 0;
  // Asked now: the parent may be gone later.
  const outlivesTerminal = isHangupIgnored();
  const onSignal = (name: "SIGINT" | "SIGTERM" | "SIGUSR2" | "SIGHUP") => {
    if (name === "SIGHUP" && outlivesTerminal) return;
    const exitCode = 128 + constants.signals[name];
    if (interrupt.signal.aborted) {
      if (name !== "SIGHUP" && performance.now() - first > echoMs) process.exit(exitCode);
      return;
    }
    first = performance.now();
    say(exitCode);
    interrupt.abort();
  };
  const names = ["SIGINT", "SIGTERM", "SIGUSR2", "SIGHUP"] as const;
  for (const name of names) process.on(name, onSignal);
  try {
    return await work(interrupt.signal);
  } finally {
    for (const name of names) process.off(name, onSignal);
  }
}

/**
 * Whether the process was started to outlive its terminal. Node forgets on its start that SIGHUP was to be ignored, so
 * that it shows only in what `nohup` leaves besides, or in a parent that ignores it too (a script under `nohup`).
 */
export function isHangupIgnored(): boolean {
  const tried = [
    () => process.env._?.endsWith("/nohup") === true, // the shell says what it started
    () => /^SigIgn:\s*[0-9a-f]*[13579bdf]$/m.test(readFileSync(`/proc/${process.ppid}/status`, "utf8")),
    // In place of a terminal, nohup gives a standard input that cannot be read, and a file.
    () => readlinkSync("/proc/self/fd/0") === "/dev/null" && /^flags:\s*0*[0-7]*1$/m.test(fdInfo(0)),
    () => [1, 2].some((fd) => readlinkSync(`/proc/self/fd/${fd}`).endsWith("/nohup.out")),
  ];
  return tried.some((isSo) => {
    try {
      return isSo();
    } catch {
      return false; // no /proc here
    }
  });
}

const fdInfo = (fd: number) => readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
