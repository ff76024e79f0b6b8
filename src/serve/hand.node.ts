/** A worker of the pool that is a thread. */

import { ownFile } from "../own-file.node.ts";
import { receivedRefusal } from "./message.node.ts";
import { Thread } from "./thread.node.ts";
import type { Hand, ModelFacts, ModelSource, Outcome, Work } from "./work.node.ts";
import type { Order, SentOutcome, WorkerSettings } from "./worker.node.ts";

export class ThreadHand implements Hand {
  readonly lost: Promise<Error>;
  readonly #thread: Thread<Order>;

  constructor(settings: WorkerSettings) {
    this.#thread = new Thread(ownFile("./worker.node.js", import.meta.url), settings);
    this.lost = this.#thread.lost;
  }

  load(key: string, source: ModelSource): Promise<ModelFacts> {
    return this.#thread.ask({ kind: "load", key, source });
  }

  drop(key: string): Promise<void> {
    return this.#thread.ask({ kind: "drop", key });
  }

  async answer(key: string, works: readonly Work[]): Promise<readonly Outcome[]> {
    const own = works.map(detached);
    const buffers = own.map((work) => (work.kind === "infer" ? work.image : work.picture.bytes).buffer as ArrayBuffer);
    const outcomes = await this.#thread.ask<readonly SentOutcome[]>({ kind: "answer", key, works: own }, buffers);
    return outcomes.map(received);
  }

  close(): Promise<void> {
    return this.#thread.close();
  }
}

/** A copy with its own memory: sending a view would send its whole buffer, such as a form with all its pictures. */
function detached(work: Work): Work {
  if (work.kind === "infer") return { ...work, image: work.image.slice() };
  const { name, bytes } = work.picture;
  return { ...work, picture: { name, bytes: Uint8Array.from(bytes) } };
}

const received = (outcome: SentOutcome): Outcome =>
  "fault" in outcome ? { refusal: receivedRefusal(outcome) } : ({ answer: outcome.answer } as Outcome);
