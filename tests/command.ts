/** Runs the `senet` command: as a user does, as a process of its own; or, which costs far less, in the test's process. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { type Ran, ranToEnd } from "./ran.ts";

/** A new folder, which goes when the tests of this file are done, or the test that asked for it is. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "senet-test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** As bin/senet.js, but of the program that this very test was compiled with. */
export const launcher = join(temporaryFolder(), "senet.mjs");
const main = new URL("../src/cli/main.js", import.meta.url).href;
writeFileSync(launcher, `import { main } from ${JSON.stringify(main)};\nawait main(process.argv);\n`);

/** What is in a run's folder; the number in the name of TensorBoard's event file is the time. */
export const filesOfRun = (out: string): string[] =>
  readdirSync(out)
    .map((name) => name.replace(/(?<=^events\.out\.tfevents\.)\d+/, "N"))
    .sort();

/** Of one that has begun. */
export const firstFiles: readonly string[] = ["config.json", "events.out.tfevents.N.senet", "run.json"];

export interface RunOptions {
  readonly cwd?: string;
  /** What a shell does before it becomes the process: `ulimit -f 100`. */
  readonly shell?: string;
  readonly onStart?: (process: ChildProcess) => void;
  /** Told all of standard error so far, each time that there is more. */
  readonly onStderr?: (stderr: string, process: ChildProcess) => void;
}

let before: Promise<unknown> = Promise.resolve();

/**
 * `senet ...args` to its end, in this process: for all but signals, streams and what else concerns the process itself.
 * One at a time, however many are asked for.
 */
export function senetHere(args: readonly string[], options: { readonly cwd?: string } = {}): Promise<Ran> {
  const ran = before.then(() => runHere(args, options));
  before = ran.catch(() => {});
  return ran;
}

async function runHere(args: readonly string[], { cwd }: { readonly cwd?: string }): Promise<Ran> {
  // Loaded here: most tests want only a folder of this file.
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

/** `senet ...args` to its end, as a process. */
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
