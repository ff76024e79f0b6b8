/** The main thread's side of a worker thread that answers orders. */

import { type ResourceLimits, Worker } from "node:worker_threads";
import { type Numbered, type Reply, received } from "./message.node.ts";

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class Thread<O> {
  /** Resolves if it ends other than by `close`. */
  readonly lost: Promise<Error>;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #number = 0;
  #end: Error | undefined;

  /** @param settings the thread's `workerData` @param resourceLimits beyond which it ends */
  constructor(file: URL, settings: unknown, resourceLimits: ResourceLimits = {}) {
    // Flags of the main thread's own, such as --input-type, would keep the worker's file from being loaded.
    this.#worker = new Worker(file, { workerData: settings, execArgv: [], resourceLimits });
    this.#worker.on("message", ({ number, body }: Numbered<Reply>) => {
      const { resolve, reject } = this.#waiting.get(number)!;
      this.#waiting.delete(number);
      try {
        resolve(received(body));
      } catch (error) {
        reject(error);
      }
    });
    this.lost = new Promise((resolve) => {
      let cause: Error | undefined;
      this.#worker.on("error", (error) => {
        cause = error;
      });
      this.#worker.on("exit", (code) => {
        this.#end ??= cause ?? new Error(`it ended by itself, with code ${code}`);
        resolve(this.#end);
        for (const { reject } of this.#waiting.values()) reject(this.#end);
        this.#waiting.clear();
      });
    });
  }

  /**
   * @param buffers are transferred
   * @throws what the thread throws; the reason if it has ended
   */
  ask<T>(body: O, buffers: readonly ArrayBuffer[] = []): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(this.#end);
      const number = this.#number++;
      this.#waiting.set(number, { resolve: resolve as (value: unknown) => void, reject });
      this.#worker.postMessage({ number, body } satisfies Numbered<O>, buffers);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
