/** Ends the launcher when a job is aborted. */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

/** Names of Open MPI's launcher processes, truncated as by Linux. */
const names = /^(mpirun|mpiexec|orterun|prterun|prte|prted|orted)(\.openmpi)?$/;

/** Name and start time of a process; `undefined` if unknown. */
function processOf(pid: number): { readonly name: string; readonly started: string } | undefined {
  try {
    const said = readFileSync(`/proc/${pid}/stat`, "latin1");
    const [, name, rest] = /^\d+ \((.*)\) (.*)$/s.exec(said)!;
    // Field 22 of all, the twentieth after the name.
    return { name: name!, started: rest!.split(" ")[19]! };
  } catch {
    return undefined;
  }
}

/**
 * Ends the launcher if it still runs after this time: Open MPI's waits forever for its part on an unreachable host.
 * Done by a separate program, since this process will be gone by then.
 */
export function endLauncherIn(seconds: number): void {
  const launcher = processOf(process.ppid);
  if (launcher === undefined || !names.test(launcher.name)) return;
  const stat = JSON.stringify(`/proc/${process.ppid}/stat`);
  // Another process may have the same number by then.
  const isSame = `require("node:fs").readFileSync(${stat}, "latin1").split(") ").at(-1).split(" ")[19] === "${launcher.started}"`;
  const end = `try { if (${isSame}) process.kill(${process.ppid}, "SIGKILL"); } catch {}`;
  const program = `setTimeout(() => { ${end} }, ${1000 * seconds});`;
  spawn(process.execPath, ["-e", program], { detached: true, stdio: "ignore" }).unref();
}
