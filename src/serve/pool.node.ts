/** The queue of work for the threads ("hands"): limited in length, and only for clients that still wait. */

import { setTimeout as sleep } from "node:timers/promises";
import { causeText, SenetError } from "../errors.ts";
import { Refusal } from "./refusal.ts";
import type { Answers, Hand, ModelFacts, ModelSource, Outcome, Work, WorkOf } from "./work.node.ts";

export interface PoolOptions {
  /** Number of threads, each with all networks. */
  readonly hands: number;
  readonly open: () => Hand;
  /** Most pictures that may wait. */
  readonly queue: number;
  /** Is told of the server's own faults. */
  readonly say: (line: string) => void;
}

export interface Wish {
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  /** When the answer becomes useless, in terms of `performance.now()`. */
  readonly deadline: number;
}

interface Job {
  readonly key: string;
  readonly work: Work;
  readonly settle: (outcome: Outcome) => void;
}

/** One thread and its state. */
interface Seat {
  hand: Hand;
  isBusy: boolean;
  /** Whether its thread has ended and is being replaced. */
  isLost: boolean;
  /** Networks that a replacement thread could not open. */
  readonly lacks: Set<string>;
  /** Tasks before further work: opening and closing networks. */
  readonly errands: (() => Promise<void>)[];
}

interface Loaded {
  readonly source: ModelSource;
  readonly batch: number;
  /** Hash of its files; undefined until it is open. */
  readonly hash?: string;
}

const firstPauseMs = 1000;
const longestPauseMs = 30_000;

export class Pool {
  readonly #options: PoolOptions;
  readonly #seats: Seat[];
  readonly #waiting = new Set<Job>();
  readonly #networks = new Map<string, Loaded>();
  #isClosed = false;
  #inHand = 0;
  /** Recent milliseconds per picture of one thread. */
  #pace = 50;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#seats = Array.from({ length: options.hands }, () => this.#seat());
  }

  /** Number of waiting pictures. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Number of pictures being processed. */
  get inHand(): number {
    return this.#inHand;
  }

  /** Number of pictures that would be accepted now. */
  get room(): number {
    const idle = this.#seats.filter(({ isBusy }) => !isBusy).length;
    return Math.max(0, this.#options.queue + idle - this.#waiting.size);
  }

  /** Whether any thread is working. */
  get isManned(): boolean {
    return this.#seats.some(({ isLost }) => !isLost);
  }

  /** Whether any thread has this network. */
  has(key: string): boolean {
    return this.#seats.some(({ isLost, lacks }) => !isLost && !lacks.has(key));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether all threads have a network. */
  isEverywhere(key: string): boolean {
    return !this.#seats.some(({ lacks }) => lacks.has(key));
  }

  /** Estimated seconds until everything waiting is done. */
  get retryAfter(): number {
    return Math.max(1, Math.ceil((this.#waiting.size * this.#pace) / this.#seats.length / 1000));
  }

  /**
   * Opens a network in all threads: in parallel, or one after another, so that the others can continue.
   * @throws SenetError where it cannot be opened; it is then open nowhere
   */
  async load(key: string, source: ModelSource, inTurn: boolean): Promise<ModelFacts> {
    // Set first, so that a thread replaced meanwhile also opens it.
    this.#networks.set(key, { source, batch: 1 });
    try {
      const [measures, ...others] = this.#seats;
      const one = (seat: Seat, from: ModelSource) => this.#errand(seat, () => seat.hand.load(key, from));
      // The first thread measures the best batch size and engine while the others are idle.
      const facts = [await one(measures!, source)];
      const { batch, chosen: executor } = facts[0]!;
      const decided = { ...source, batch, options: { ...source.options, ...(executor && { executor }) } };
      if (!inTurn) facts.push(...(await Promise.all(others.map((seat) => one(seat, decided)))));
      else for (const seat of others) facts.push(await one(seat, decided));
      const [first] = facts;
      if (facts.some(({ hash }) => hash !== first!.hash))
        throw new SenetError("io", "the files changed while they were read", { where: source.files.join(", ") });
      this.#networks.set(key, { source: decided, batch: first!.batch, hash: first!.hash });
      return first!;
    } catch (error) {
      await this.unload(key);
      throw error;
    }
  }

  /** Closes a network that is no longer requested. */
  async unload(key: string): Promise<void> {
    this.#networks.delete(key);
    const drop = (seat: Seat) => this.#errand(seat, () => seat.hand.drop(key)).catch(() => {});
    await Promise.all(this.#seats.map((seat) => (seat.lacks.delete(key) ? undefined : drop(seat))));
  }

  /**
   * Submits work and returns the outcome of each item, once all are done.
   * @throws Refusal 503 where there is no room, time is up, or the server is stopping; the signal's reason
   */
  submit<K extends keyof Answers>(
    key: string,
    works: readonly WorkOf<K>[],
    { signal, deadline }: Wish,
  ): Promise<readonly Outcome<Answers[K]>[]> {
    signal.throwIfAborted();
    if (this.#isClosed) throw stopping();
    if (performance.now() >= deadline) throw timedOut(this.retryAfter);
    if (works.length > this.room) throw overloaded(this.retryAfter);
    if (this.#seats.every(({ lacks }) => lacks.has(key))) throw unavailable("no thread has this network any more");
    return new Promise((resolve, reject) => {
      const outcomes: Outcome[] = [];
      let left = works.length;
      const jobs = works.map(
        (work, i): Job => ({
          key,
          work,
          settle: (outcome) => {
            outcomes[i] = outcome;
            if (--left > 0) return;
            end();
            resolve(outcomes as Outcome<Answers[K]>[]);
          },
        }),
      );
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", leave);
        for (const job of jobs) this.#waiting.delete(job);
      };
      const giveUp = (reason: unknown) => {
        end();
        reject(reason);
      };
      const leave = () => giveUp(signal.reason);
      const late = () => giveUp(timedOut(this.retryAfter));
      const timer = setTimeout(late, Math.max(0, deadline - performance.now()));
      signal.addEventListener("abort", leave);
      for (const job of jobs) this.#waiting.add(job);
      this.#dispatch();
    });
  }

  /** Ends the threads; waiting work is refused. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const job of this.#waiting) job.settle({ refusal: stopping() });
    await Promise.all(this.#seats.map(({ hand }) => hand.close()));
  }

  #seat(): Seat {
    const seat: Seat = { hand: this.#options.open(), isBusy: false, isLost: false, lacks: new Set(), errands: [] };
    this.#watch(seat);
    return seat;
  }

  #watch(seat: Seat): void {
    void seat.hand.lost.then((cause) => {
      seat.isLost = true;
      void this.#replace(seat, cause);
    });
  }

  /** Replaces a thread that has ended. */
  async #replace(seat: Seat, cause: Error): Promise<void> {
    for (let pause = firstPauseMs; !this.#isClosed; pause = Math.min(2 * pause, longestPauseMs)) {
      this.#options.say(`a thread has ended (${cause.message}); another one takes its place`);
      await sleep(pause, undefined, { ref: false });
      if (this.#isClosed) return;
      const hand = this.#options.open();
      let isGone = false;
      void hand.lost.then(() => {
        isGone = true;
      });
      seat.hand = hand;
      seat.lacks.clear();
      for (const [key, network] of this.#networks) {
        const fault = await faultOf(hand, key, network);
        if (fault === undefined) continue;
        // This thread serves the other networks; this one is served elsewhere, until its files change and can be
        // opened.
        seat.lacks.add(key);
        cause = fault;
        if (!isGone) this.#options.say(`${key} cannot be opened again: ${fault.message}`);
      }
      if (isGone) continue;
      this.#watch(seat);
      seat.isLost = false;
      break;
    }
    seat.isBusy = false;
    this.#dispatch();
  }

  /** Runs a task before the thread's next work. */
  #errand<T>(seat: Seat, errand: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      seat.errands.push(() => errand().then(resolve, reject));
      this.#dispatch();
    });
  }

  #dispatch(): void {
    for (const seat of this.#seats) {
      if (seat.isBusy) continue;
      const errand = seat.errands.shift();
      if (errand !== undefined) void this.#occupy(seat, errand);
      else if (!this.#isClosed) {
        const jobs = this.#take(seat);
        if (jobs.length > 0) void this.#occupy(seat, () => this.#work(seat.hand, jobs));
      }
    }
  }

  async #occupy(seat: Seat, work: () => Promise<void>): Promise<void> {
    seat.isBusy = true;
    await work();
    if (seat.isLost) return;
    seat.isBusy = false;
    this.#dispatch();
  }

  /** Takes the oldest waiting work, and other work that can be batched with it. */
  #take({ lacks }: Seat): Job[] {
    let first: Job | undefined;
    let most = 1;
    const jobs: Job[] = [];
    for (const job of this.#waiting) {
      if (first === undefined) {
        if (lacks.has(job.key)) continue;
        first = job;
        if (isBatched(job.work)) most = this.#networks.get(job.key)?.batch ?? 1;
      } else if (job.key !== first.key || !isBatched(job.work)) continue;
      jobs.push(job);
      if (jobs.length === most) break;
    }
    for (const job of jobs) this.#waiting.delete(job);
    return jobs;
  }

  async #work(hand: Hand, jobs: readonly Job[]): Promise<void> {
    const start = performance.now();
    this.#inHand += jobs.length;
    try {
      const outcomes = await hand.answer(
        jobs[0]!.key,
        jobs.map(({ work }) => work),
      );
      this.#pace += 0.1 * ((performance.now() - start) / jobs.length - this.#pace);
      for (const [i, job] of jobs.entries()) job.settle(outcomes[i]!);
    } catch (cause) {
      this.#options.say(`a picture could not be processed: ${causeText(cause)}`);
      for (const job of jobs) job.settle({ refusal: unavailable("the thread that processed the picture has failed") });
    } finally {
      this.#inHand -= jobs.length;
    }
  }
}

/** Why a thread cannot open a network in the version that the others have. */
async function faultOf(hand: Hand, key: string, { source, hash }: Loaded): Promise<Error | undefined> {
  try {
    const facts = await hand.load(key, source);
    if (hash === undefined || facts.hash === hash) return undefined;
    await hand.drop(key);
    return new Error("its files have changed");
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const isBatched = ({ kind }: Work): boolean => kind === "classify" || kind === "infer";

export const stopping = (): Refusal =>
  new Refusal(503, "stopping", "the server is stopping", { retryAfter: 1, hint: "ask another one, or later" });

export const overloaded = (retryAfter: number): Refusal =>
  new Refusal(503, "overloaded", "more pictures wait than the server may keep", {
    retryAfter,
    hint: `try again in ${retryAfter} s`,
  });

export const timedOut = (retryAfter: number): Refusal =>
  new Refusal(503, "timeout", "the answer was not ready in time", {
    retryAfter,
    hint: "allow more time (X-Request-Timeout, in seconds), or ask for less at once",
  });

export const unavailable = (message: string): Refusal => new Refusal(503, "unavailable", message, { retryAfter: 1 });
