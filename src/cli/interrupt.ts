/** Handles Ctrl-C, a closed terminal and SIGTERM so that nothing is lost. */

import { readFileSync, readlinkSync } from "node:fs";
import { constants } from "node:os";

/**
 * A repeated signal within this time is ignored: a parent such as npm may pass on a signal that the process already
 * got.
 */
const echoMs = 100;

/**
 * Runs `work`. The first Ctrl-C, SIGTERM, SIGUSR2 (which mpirun passes on at once) or SIGHUP (closed terminal) calls `say`
 * and aborts the signal; a second one ends the process. A closing terminal sends SIGHUP more than once, so a second SIGHUP
 * does not end a save in progress; under `nohup` it is ignored.
 * @param say is given the exit code for the signal: 130, 143, 140 or 129
 */
export async function interruptible<T>(
  say: (exitCode: number) => void,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const interrupt = new AbortController();
  let first = 0;
  // Checked now: the parent may be gone later.
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
 * Whether the process was started to outlive its terminal. Node forgets at its start that SIGHUP was ignored, so this
 * looks for other traces of `nohup`, or for a parent that ignores SIGHUP too (a script under `nohup`).
 */
export function isHangupIgnored(): boolean {
  const tried = [
    () => process.env._?.endsWith("/nohup") === true, // the shell says what it started
    () => /^SigIgn:\s*[0-9a-f]*[13579bdf]$/m.test(readFileSync(`/proc/${process.ppid}/status`, "utf8")),
    // nohup replaces a terminal on standard input by an unreadable file.
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
