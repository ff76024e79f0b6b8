/** A training in progress, for programs: await the run, or follow it event by event. */

import type { Failure } from "../data/dataset.ts";
import type { RunFacts } from "../train/facts.ts";
import type { Progress } from "../train/loop.ts";
import type { EpochMetrics } from "../train/state.ts";
import { EventQueue } from "./event-queue.ts";

/**
 * What happens in a run, in order. A reader that is slower than a step sees only the newest `step`, `validation` and
 * `features` events; none of the others is skipped.
 */
export type TrainingEvent =
  | ({ readonly kind: "start" } & RunFacts)
  /** After each step; the numbers are means over the epoch so far. */
  | ({ readonly kind: "step" } & Progress)
  | { readonly kind: "validation"; readonly done: number; readonly total: number }
  /** After an epoch has been validated and saved. */
  | ({ readonly kind: "epoch"; readonly isBest: boolean } & EpochMetrics)
  /** In a browser, where the features that the head gets are computed once: pictures done so far. */
  | { readonly kind: "features"; readonly done: number; readonly total: number }
  /** A picture that could not be decoded. */
  | ({ readonly kind: "failure" } & Failure)
  /** A remark about the data or the engine, in one line. */
  | { readonly kind: "note"; readonly text: string };

/** Whether `next` is the same news as `last` with newer numbers. */
const replaces = (next: TrainingEvent, last: TrainingEvent): boolean =>
  (next.kind === "step" || next.kind === "validation" || next.kind === "features") && next.kind === last.kind;

/**
 * A running training. `await` gives its result; `for await` gives its events, and leaving that loop early saves and
 * stops the run.
 */
export class Training<Run> implements PromiseLike<Run>, AsyncIterable<TrainingEvent> {
  readonly #run: Promise<Run>;
  readonly #queues = new Set<EventQueue<TrainingEvent>>();
  readonly #stop: () => void;

  /** Called by `train`. */
  constructor(start: (tell: (event: TrainingEvent) => void, signal: AbortSignal) => Promise<Run>) {
    const stopping = new AbortController();
    this.#stop = () => stopping.abort();
    this.#run = start((event) => {
      for (const queue of this.#queues) queue.add(event);
    }, stopping.signal);
  }

  // biome-ignore lint/suspicious/noThenProperty: it is awaited as a promise is
  then<A = Run, B = never>(
    onFulfilled?: ((run: Run) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#run.then(onFulfilled, onRejected);
  }

  /** @throws what the run throws, after the last event */
  [Symbol.asyncIterator](): AsyncGenerator<TrainingEvent, Run, undefined> {
    const queue = new EventQueue(replaces);
    this.#queues.add(queue);
    const end = () => queue.end();
    this.#run.then(end, end);
    return this.#events(queue);
  }

  async *#events(queue: EventQueue<TrainingEvent>): AsyncGenerator<TrainingEvent, Run, undefined> {
    let isLeft = true;
    try {
      yield* queue;
      isLeft = false;
      return await this.#run;
    } finally {
      this.#queues.delete(queue);
      if (isLeft) {
        this.#stop();
        await this.#run;
      }
    }
  }
}
