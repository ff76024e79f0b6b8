/** The program that started this process, where a job ends before its time. */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

/** Open MPI's, on the host of the job's first process and on the others; as Linux cuts names off. */
const names = /^(mpirun|mpiexec|orterun|prterun|prte|prted|orted)(\.openmpi)?$/;

/** What a process is, and when it was started; nothing where the system does not say. */
function processOf(pid: number): { readonly name: string; readonly started: string } | undefined {
  try {
    const said = readFileSync(`/proc/${pid}/stat`, "latin1");
    const [, name, rest] = /^\d+ \((.*)\) (.*)$/s.exec(said)!;
    // The twenty-second field of all, the twentieth behind the name.
    return { name: name!, started: rest!.split(" ")[19]! };
  } catch {
    return undefined;
  }
}

/**
 * Ends it, if it is still there after so long: Open MPI's waits without end for its part on a host that cannot be reached.
 * A program of its own does so, since this process will be gone by then.
 */
export function endLauncherIn(seconds: number): void {
  const launcher = processOf(process.ppid);
  if (launcher === undefined || !names.test(launcher.name)) return;
  const stat = JSON.stringify(`/proc/${process.ppid}/stat`);
  // Another process may have got its number meanwhile.
  const isSame = `require("node:fs").readFileSync(${stat}, "latin1").split(") ").at(-1).split(" ")[19] === "${launcher.started}"`;
  const end = `try { if (${isSame}) process.kill(${process.ppid}, "SIGKILL"); } catch {}`;
  const program = `setTimeout(() => { ${end} }, ${1000 * seconds});`;
  spawn(process.execPath, ["-e", program], { detached: true, stdio: "ignore" }).unref();
}
