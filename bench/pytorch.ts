/** PyTorch in a separate process (pytorch.py), which sleeps between its turns. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Precision } from "../src/executors/select.node.ts";
import * as z from "../src/schema.ts";
import type { Contender } from "./measure.ts";
import { countParameters, type Workload } from "./workload.ts";

const prepared = z.object({
  torch: z.string(),
  /** Speed of matrix multiplication with its BLAS. */
  blas_gflops: z.number(),
  /** The network's number of parameters. */
  parameters: z.number(),
  /** The ways in which it can run the network. */
  variants: z.array(z.string()),
});
const turn = z.object({ times: z.array(z.number()) });
const used = z.object({ processor: z.number() });

/** The script is not compiled and stays with the sources. */
const script = fileURLToPath(new URL("../../bench/pytorch.py", import.meta.url));

export interface PyTorchOptions extends Workload {
  readonly mode: "inference" | "training";
  readonly classes: number;
  readonly threads: number;
  /** `bf16` is autocast. */
  readonly precision?: Precision;
  /** Run only these variants. */
  readonly ways?: readonly string[];
}

/** The default Python with torch: Debian's, version 1.13 on release 12. */
export const defaultPython = "/usr/bin/python3";

export class PyTorch {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  #facts: z.output<typeof prepared> | undefined;
  /** Processor time that it has reported, in milliseconds. */
  processorMilliseconds = 0;

  private constructor(python: string) {
    this.#child = spawn(python, [script], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout });
    // A child's end is reported by its exit event, not by the pipe.
    this.#child.stdin.on("error", () => {});
  }

  /**
   * Starts it, makes the network in every variant, and warms up.
   * @throws Error if its network has another number of parameters than ours
   */
  static async start(python: string, options: PyTorchOptions): Promise<PyTorch> {
    const { mode, model, classes, batchSize, imageSize, threads, precision = "float32", ways } = options;
    const pytorch = new PyTorch(python);
    const request = {
      command: "prepare",
      mode,
      model,
      classes,
      batch: batchSize,
      side: imageSize,
      threads,
      precision,
      ways,
    };
    pytorch.#facts = prepared.parse(await pytorch.#ask(request));
    const parameters = countParameters(options);
    if (pytorch.#facts.parameters !== parameters) {
      throw new Error(
        `${model}: ${parameters} parameters, ${pytorch.#facts.parameters} in PyTorch: not the same network`,
      );
    }
    return pytorch;
  }

  /** Its report after starting. */
  get facts(): z.output<typeof prepared> {
    return this.#facts!;
  }

  contender(variant: string): Contender {
    return async (length) => turn.parse(await this.#ask({ command: "run", variant, ...length })).times;
  }

  /** Exports the network with PyTorch's own exporter, for this batch size. */
  async export(file: string): Promise<void> {
    await this.#ask({ command: "export", file });
  }

  async #ask(request: object): Promise<unknown> {
    const abandon = new AbortController();
    const { signal } = abandon;
    try {
      const gone = Promise.race([
        once(this.#child, "exit", { signal }).then(([code]) => `it ended with ${code}`),
        once(this.#child, "error", { signal }).then(([error]) => String(error)),
      ]).then((reason) => {
        throw new Error(`PyTorch does not answer: ${reason} (python3 with torch is needed; --python names another)`);
      });
      const reply = once(this.#lines, "line", { signal });
      this.#child.stdin.write(`${JSON.stringify(request)}\n`);
      const [line] = await Promise.race([reply, gone]);
      const answer: unknown = JSON.parse(line);
      this.processorMilliseconds += used.parse(answer).processor;
      return answer;
    } finally {
      abandon.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.stdin.end();
    await once(this.#child, "exit");
  }
}
