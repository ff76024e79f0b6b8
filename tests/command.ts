/** Runs the `senet` command: in a process of its own, as users do, or in the test's process, which is much faster. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { type Ran, ranToEnd } from "./ran.ts";

/** A new folder, removed after the tests of this file, or after the test that created it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "senet-test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Like bin/senet.js, but for the compiled program under test. */
export const launcher = join(temporaryFolder(), "senet.mjs");
const main = new URL("../src/cli/main.js", import.meta.url).href;
writeFileSync(launcher, `import { main } from ${JSON.stringify(main)};\nawait main(process.argv);\n`);

/** The files in a run's folder; N replaces the time in the name of TensorBoard's event file. */
export const filesOfRun = (out: string): string[] =>
  readdirSync(out)
    .map((name) => name.replace(/(?<=^events\.out\.tfevents\.)\d+/, "N"))
    .sort();

/** The files of a run that has just started. */
export const firstFiles: readonly string[] = ["config.json", "events.out.tfevents.N.senet", "run.json"];

export interface RunOptions {
  readonly cwd?: string;
  /** A shell command to run first: `ulimit -f 100`. */
  readonly shell?: string;
  readonly onStart?: (process: ChildProcess) => void;
  /** Called with all of standard error so far, whenever there is more. */
  readonly onStderr?: (stderr: string, process: ChildProcess) => void;
}

let before: Promise<unknown> = Promise.resolve();

/**
 * Runs `senet ...args` in this process, for everything except signals, streams and other properties of a process. Calls
 * run one at a time.
 */
export function senetHere(args: readonly string[], options: { readonly cwd?: string } = {}): Promise<Ran> {
  const ran = before.then(() => runHere(args, options));
  before = ran.catch(() => {});
  return ran;
}

async function runHere(args: readonly string[], { cwd }: { readonly cwd?: string }): Promise<Ran> {
  // Imported here, since most tests only use this file's folders.
  const [{ run }, { collectOutput }] = await Promise.all([
    import("../src/cli/main.ts"),
    import("../src/cli/output.ts"),
  ]);
  const { argv, exitCode } = process;
  const from = process.cwd();
  if (cwd !== undefined) process.chdir(cwd);
  process.argv = [process.execPath, launcher, ...args];
  process.exitCode = 0;
  try {
    const collected = await collectOutput(() => run(process.argv));
    return { code: Number(process.exitCode), ...collected };
  } finally {
    process.exitCode = exitCode;
    process.argv = argv;
    process.chdir(from);
  }
}

/** Runs `senet ...args` as a process. */
export function senet(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return runNode([launcher, ...args], options);
}

export function runNode(args: readonly string[], { cwd, shell, onStart, onStderr }: RunOptions = {}): Promise<Ran> {
  const command = [process.execPath, ...args];
  const [program, ...rest] = shell === undefined ? command : ["bash", "-c", `${shell}; exec "$@"`, "bash", ...command];
  const child = spawn(program!, rest, {
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  onStart?.(child);
  return ranToEnd(child, onStderr);
}
