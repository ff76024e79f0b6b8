/** A process, or the first of several, that runs turns of training steps (`mpi-rank.ts`). */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Contender } from "./measure.ts";

export interface SideOptions {
  /** The command that starts the processes; empty: a single process without a launcher. */
  readonly launcher: readonly string[];
  /** The workload of each process. */
  readonly workload: string;
  readonly threads: number;
  readonly executor: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class Side {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor({ launcher, workload, threads, executor, env = {} }: SideOptions) {
    const rank = fileURLToPath(new URL("./mpi-rank.js", import.meta.url));
    const args = ["--workload", workload, "--threads", `${threads}`, "--executor", executor];
    const [program, ...rest] = [...launcher, process.execPath, rank, ...args];
    this.#process = spawn(program!, rest, { env: { ...process.env, OMP_NUM_THREADS: `${threads}`, ...env } });
    this.#process.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** @param behind receives, for each step, the time after the backward pass */
  contender(mode: string, behind: number[] = []): Contender {
    return async ({ milliseconds, runs }) => {
      this.#process.stdin.write(`${mode} ${milliseconds} ${runs}\n`);
      const { value, done } = await this.#lines.next();
      if (done === true) throw new Error("a process has ended");
      const turn = JSON.parse(value) as { times: number[]; behind: number[] };
      behind.push(...turn.behind);
      return turn.times;
    };
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.on("close", resolve));
    this.#process.stdin.end();
    await ended;
  }
}
