/**
 * Chooses the number of threads on a busy machine. Threads synchronise after each operation, so one that has lost its
 * processor holds up all others; fewer threads can then be faster by any factor (docs/log.md).
 */

interface Step {
  readonly milliseconds: number;
  /** Share of the requested processor time that all threads together got. */
  readonly share: number;
}

/** A trial, and what it is compared with. */
interface Trial {
  readonly from: number;
  readonly median: number;
}

/** Below this share threads lacked processors; above it they may only have waited briefly. */
const starved = 0.75;
/** A change must be at least this much faster. */
const worth = 0.9;
/** A trial that is this much slower is aborted. */
const hopeless = 2;

export class Pace {
  readonly #most: number;
  #threads: number;
  #steps: Step[] = [];
  #trial: Trial | undefined;
  /** Number of steps since the last change. */
  #since = 0;
  /** Steps to wait before trying fewer or more threads; increased after each failed trial. */
  readonly #patience = { fewer: 12, more: 200 };
  /** Milliseconds of steps (at least two) after which to react, however few they were; increased likewise. */
  #soon = 2000;

  /** @param most initial and largest number of threads */
  constructor(most: number) {
    this.#most = most;
    this.#threads = most;
  }

  /** Number of threads for the next step. */
  get threads(): number {
    return this.#threads;
  }

  /**
   * Reports a step, after which `threads` may change.
   * @param cpuMilliseconds processor time of this process during the step, over all threads
   * @returns a message if a change becomes permanent
   */
  ran(milliseconds: number, cpuMilliseconds: number): string | undefined {
    this.#since++;
    // The first step after a change includes setup.
    if (this.#since === 1) return undefined;
    this.#steps.push({ milliseconds, share: cpuMilliseconds / (milliseconds * this.#threads) });
    const trial = this.#trial;
    if (trial !== undefined && milliseconds > hopeless * trial.median) this.#giveUp(trial);
    else if (this.#isTelling()) return trial === undefined ? this.#look() : this.#judge(trial);
    return undefined;
  }

  /** Whether there are enough steps to compare; fewer if they are long. */
  #isTelling(): boolean {
    return this.#isSoon || (this.#steps.length >= 6 && (this.#total >= 500 || this.#steps.length >= 48));
  }

  get #isSoon(): boolean {
    return this.#steps.length >= 2 && this.#total >= this.#soon;
  }

  get #total(): number {
    return this.#steps.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  }

  #look(): undefined {
    const share = medianOf(this.#steps.map(({ share }) => share));
    const isStarved = share < starved && this.#threads > 1;
    if (isStarved && (this.#since > this.#patience.fewer || this.#isSoon)) this.#try(Math.ceil(this.#threads / 2));
    else if (this.#threads < this.#most && this.#since > this.#patience.more) {
      this.#try(Math.min(this.#most, 2 * this.#threads));
    } else this.#steps.shift();
  }

  #try(threads: number): void {
    this.#trial = { from: this.#threads, median: this.#median };
    this.#change(threads);
  }

  #judge(trial: Trial): string | undefined {
    const { from, median } = trial;
    if (this.#median > worth * median) {
      this.#giveUp(trial);
      return undefined;
    }
    this.#trial = undefined;
    const line =
      this.#threads < from
        ? `the machine is busy, and ${from} threads wait for one another: on with ${this.#threads}`
        : `the machine is less busy: on with ${this.#threads} threads`;
    return `${line} (${seconds(this.#median)} a step, not ${seconds(median)})`;
  }

  #giveUp({ from }: Trial): void {
    const direction = this.#threads < from ? "fewer" : "more";
    this.#patience[direction] = Math.min(4 * this.#patience[direction], 20_000);
    this.#soon *= 4;
    this.#trial = undefined;
    this.#change(from);
  }

  #change(threads: number): void {
    this.#threads = threads;
    this.#steps = [];
    this.#since = 0;
  }

  get #median(): number {
    return medianOf(this.#steps.map(({ milliseconds }) => milliseconds));
  }
}

const medianOf = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toPrecision(2)} s`;
