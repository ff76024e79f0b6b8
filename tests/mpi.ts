/** Jobs of several processes, started by the launchers that this machine has. */

import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Flavour } from "../src/mpi/library.node.ts";
import type { RunOptions } from "./command.ts";
import { type Ran, ranToEnd } from "./ran.ts";

/** Debian has both, under these names. */
const launchers: Readonly<Record<Flavour, string>> = { "Open MPI": "mpirun.openmpi", MPICH: "mpirun.mpich" };

const isThere = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;
const found = new Map<Flavour, boolean>();

/** `{ skip: reason }` where its launcher is absent; spread it into a test's options. */
export function needsMpi(flavour: Flavour): { skip: string | false } {
  if (!found.has(flavour)) found.set(flavour, isThere(launchers[flavour]));
  return { skip: found.get(flavour) === true ? false : `${launchers[flavour]} is absent` };
}

/** A compiled file of the tests. */
export const program = (name: string): string => join(fileURLToPath(new URL(".", import.meta.url)), name);

/** What starts `count` processes, without what follows. As root it wants to be told that this is meant. */
export function launch(flavour: Flavour, count: number, more: readonly string[] = []): readonly string[] {
  const open = ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"];
  return [launchers[flavour], ...(flavour === "Open MPI" ? open : []), ...more, "-np", `${count}`];
}

export interface JobOptions extends Pick<RunOptions, "cwd" | "onStderr"> {
  readonly env?: Readonly<Record<string, string>>;
  /** Of the launcher. */
  readonly more?: readonly string[];
  /** The job is ended after so long; default: 150 s. */
  readonly timeout?: number;
}

/** `node ...args` as so many processes, to their end. */
export function mpirun(
  flavour: Flavour,
  count: number,
  args: readonly string[],
  options: JobOptions = {},
): Promise<Ran> {
  return runJob(launch(flavour, count, options.more), args, options);
}

/** The same by a launcher with its arguments. */
export function runJob(
  launcher: readonly string[],
  args: readonly string[],
  { cwd, env = {}, timeout = 150_000, onStderr }: JobOptions = {},
): Promise<Ran> {
  const [command, ...rest] = [...launcher, process.execPath, ...args];
  const child = spawn(command!, rest, {
    ...(cwd !== undefined && { cwd }),
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, OMP_NUM_THREADS: "1", ...env },
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), timeout);
  return ranToEnd(child, onStderr).finally(() => clearTimeout(timer));
}
