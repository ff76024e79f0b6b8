/** A worker of the pool that is a thread. */

import { Worker } from "node:worker_threads";
import { SenetError } from "../errors.ts";
import { Refusal } from "./refusal.ts";
import type { Hand, ModelFacts, ModelSource, Outcome, Work } from "./work.node.ts";
import type { Numbered, Order, Reply, SentOutcome, WorkerSettings } from "./worker.node.ts";

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class ThreadHand implements Hand {
  readonly lost: Promise<Error>;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #number = 0;
  #end: Error | undefined;

  constructor(settings: WorkerSettings) {
    this.#worker = new Worker(new URL("./worker.node.js", import.meta.url), {
      workerData: settings,
      // The main thread's flags, such as --input-type, could prevent the worker's file from loading.
      execArgv: [],
    });
    this.#worker.on("message", ({ number, body }: Numbered<Reply>) => {
      const waiting = this.#waiting.get(number)!;
      this.#waiting.delete(number);
      settle(waiting, body);
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

  load(key: string, source: ModelSource): Promise<ModelFacts> {
    return this.#ask({ kind: "load", key, source });
  }

  drop(key: string): Promise<void> {
    return this.#ask({ kind: "drop", key });
  }

  answer(key: string, works: readonly Work[]): Promise<readonly Outcome[]> {
    const own = works.map(detached);
    const buffers = own.map((work) => (work.kind === "infer" ? work.image : work.picture.bytes).buffer as ArrayBuffer);
    return this.#ask({ kind: "answer", key, works: own }, buffers);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask<T>(body: Order, buffers: readonly ArrayBuffer[] = []): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(this.#end);
      const number = this.#number++;
      this.#waiting.set(number, { resolve: resolve as (value: unknown) => void, reject });
      this.#worker.postMessage({ number, body } satisfies Numbered<Order>, buffers);
    });
  }
}

/** A copy with its own memory: sending a view would send its whole buffer, such as a form with all its pictures. */
function detached(work: Work): Work {
  if (work.kind === "infer") return { ...work, image: work.image.slice() };
  const { name, bytes } = work.picture;
  return { ...work, picture: { name, bytes: Uint8Array.from(bytes) } };
}

function settle({ resolve, reject }: Waiting, reply: Reply): void {
  if ("value" in reply) resolve(reply.value);
  else if ("outcomes" in reply) resolve(reply.outcomes.map(received));
  else if ("error" in reply) reject(new SenetError(reply.error.code, reply.error.what, reply.error.details));
  else reject(new Error(reply.failure));
}

const received = (outcome: SentOutcome): Outcome =>
  "fault" in outcome
    ? { refusal: refusalFrom(outcome.status, outcome.fault) }
    : ({ answer: outcome.answer } as Outcome);

function refusalFrom(status: number, { code, message, ...details }: Refusal["fault"]): Refusal {
  return new Refusal(status, code, message, details);
}
