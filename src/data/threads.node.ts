/** The loader's worker threads, as its main thread sees them: started, listened to, waited for, ended. */

import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { option, SenetError } from "../errors.ts";
import { requireDecoder } from "../images/decode.node.ts";
import { availableMemory, scriptThreadsThatFit } from "../memory.node.ts";
import { ownFile } from "../own-file.node.ts";
import type { WorkerJob, WorkerMessage } from "./worker.node.ts";

/**
 * Memory for each thread: about 100 MB with 12-megapixel photographs, of which two may await garbage collection, for
 * each of a run's two loaders; and the engine needs as much again.
 */
const threadBytes = 384 * 2 ** 20;

export class LoaderThreads {
  readonly #workers: Worker[] = [];
  readonly #ports: MessagePort[] = [];
  readonly #hear: (message: WorkerMessage) => void;
  #fault: SenetError | undefined;
  /** Callers of `until` that wait for a message. */
  #waiting: (() => void)[] = [];
  #ended = false;

  /** @param hear receives the threads' messages */
  constructor(count: number, job: Omit<WorkerJob, "port">, hear: (message: WorkerMessage) => void) {
    this.#hear = hear;
    for (let i = 0; i < count; i++) this.#start(job);
  }

  get count(): number {
    return this.#workers.length;
  }

  #start(job: Omit<WorkerJob, "port">): void {
    const { port1, port2 } = new MessageChannel();
    const workerData: WorkerJob = { ...job, port: port2 };
    const worker = new Worker(ownFile("./worker.node.js", import.meta.url), {
      workerData,
      transferList: [port2],
      // The main thread's flags, such as --input-type, could prevent the worker's file from loading.
      execArgv: [],
    });
    // Used while the main thread waits; otherwise it polls (`#listen`).
    port1.on("message", (message: WorkerMessage) => {
      this.#hear(message);
      this.wake();
    });
    const die = (cause: unknown) => {
      if (this.#ended) return;
      this.#fault ??= threadDied(cause);
      this.wake();
    };
    worker.on("error", die);
    // After an error, or instead of one. Otherwise callers would wait for its batches forever.
    worker.on("exit", (code) => die(`it ended by itself, with code ${code}`));
    worker.unref();
    port1.unref();
    this.#workers.push(worker);
    this.#ports.push(port1);
  }

  /** @throws SenetError `data` where a thread has died */
  check(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Reads the workers' messages without waiting for the event loop, which may not run during steps. */
  #listen(): void {
    for (const port of this.#ports) {
      for (let told = receiveMessageOnPort(port); told !== undefined; told = receiveMessageOnPort(port)) {
        this.#hear(told.message as WorkerMessage);
      }
    }
  }

  /** Waits until `isSo`, which is called again after each message. The threads keep the process alive only during such waits. */
  async until(isSo: () => boolean): Promise<void> {
    const all = [...this.#ports, ...this.#workers];
    for (;;) {
      this.#listen();
      if (isSo()) return;
      // The workers too, so that their end is noticed.
      for (const waited of all) waited.ref();
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
      // All waiting callers were woken, but one may be waiting again.
      if (this.#waiting.length === 0) for (const waited of all) waited.unref();
    }
  }

  /** Makes all callers of `until` check again. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.wake();
    for (const port of this.#ports) port.close();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/**
 * The number of threads that fit into memory, at least one. @throws SenetError `usage` where `ulimit -v` leaves too
 * little for one
 */
export const affordableThreads = (): number =>
  Math.min(scriptThreadsThatFit("to prepare pictures in"), Math.max(1, Math.floor(availableMemory() / threadBytes)));

function threadDied(cause: unknown): SenetError {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "io") {
    // On its way from the thread the error has lost its class, but it is met here as well.
    try {
      requireDecoder();
    } catch (error) {
      if (error instanceof SenetError) return error;
    }
  }
  const isMemory = code === "ERR_WORKER_OUT_OF_MEMORY";
  return new SenetError("data", `a loader thread has ${isMemory ? "run out of memory" : "died"}`, {
    found: String(cause),
    hint: `fewer threads (${option("workers")} 1) take less memory`,
    cause,
  });
}
