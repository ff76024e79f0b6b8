/** Finds the rank that the others wait for. */

import type { Ranks } from "../ranks.ts";

/** Waiting below this share of the time is not reported. */
const notable = 0.1;

/**
 * A message such as `ranks wait 34 % of the time for rank 3 on host b`; `undefined` if nobody is waited for long. The
 * slowest rank is the one that waits least; its own waiting is the time that sending takes.
 * @param waited milliseconds that each rank waited
 * @param milliseconds the time that passed meanwhile
 */
export function waitingFor(
  ranks: Pick<Ranks, "name">,
  waited: readonly number[],
  milliseconds: number,
): string | undefined {
  const least = Math.min(...waited);
  const slowest = waited.indexOf(least);
  const others = waited.filter((_, rank) => rank !== slowest);
  const mean = others.reduce((sum, time) => sum + time, 0) / others.length;
  const share = (mean - least) / milliseconds;
  if (!(share >= notable)) return undefined;
  return `the others wait ${Math.round(100 * share)} % of the time for ${ranks.name(slowest)}`;
}

export interface WaitingTimes {
  /** Delay before the first message, and between messages; default: 5 s, a minute. */
  readonly firstMilliseconds?: number;
  readonly everyMilliseconds?: number;
}

/** Reports waiting during a run: early on, and then now and then. */
export class Waiting {
  readonly #ranks: Ranks;
  readonly #say: (line: string) => void;
  readonly #everyMilliseconds: number;
  #nextMilliseconds: number;
  #waited: number[];
  #before: number;
  #since: number;

  constructor(
    ranks: Ranks,
    say: (line: string) => void,
    { firstMilliseconds = 5_000, everyMilliseconds = 60_000 }: WaitingTimes = {},
  ) {
    this.#ranks = ranks;
    this.#say = say;
    this.#everyMilliseconds = everyMilliseconds;
    this.#nextMilliseconds = firstMilliseconds;
    this.#waited = new Array<number>(ranks.count).fill(0);
    this.#before = ranks.waited;
    this.#since = performance.now();
  }

  /** Milliseconds that this rank has waited since the last call, at its own index; zeros for the other ranks. */
  own(): readonly number[] {
    const { waited, rank, count } = this.#ranks;
    const own = waited - this.#before;
    this.#before = waited;
    return Array.from({ length: count }, (_, of) => (of === rank ? own : 0));
  }

  /** @param ofAll milliseconds that each rank waited in the step */
  add(ofAll: readonly number[]): void {
    this.#waited = this.#waited.map((sum, rank) => sum + ofAll[rank]!);
    const now = performance.now();
    if (now - this.#since < this.#nextMilliseconds) return;
    const line = waitingFor(this.#ranks, this.#waited, now - this.#since);
    if (line !== undefined) this.#say(line);
    this.#waited.fill(0);
    this.#since = now;
    this.#nextMilliseconds = this.#everyMilliseconds;
  }
}
