/**
 * How many threads to go on with on a machine that others use too. Threads meet at the end of each operation, so that
 * one that has lost its processor holds up all; then fewer are faster, by any factor (docs/log.md).
 */

interface Step {
  readonly milliseconds: number;
  /** The part of the time that all threads together were to have that they had. */
  readonly share: number;
}

/** What is being tried, against what was before. */
interface Trial {
  readonly from: number;
  readonly median: number;
}

/** Threads that wait for a moment still run; below this they had no processor. */
const starved = 0.75;
/** What is not faster by this is not worth a change. */
const worth = 0.9;
/** A trial that goes as badly is broken off. */
const hopeless = 2;

export class Pace {
  readonly #most: number;
  #threads: number;
  #steps: Step[] = [];
  #trial: Trial | undefined;
  /** Steps since the last change. */
  #since = 0;
  /** Steps to wait before fewer or more are tried; longer each time that it was for nothing. */
  readonly #patience = { fewer: 12, more: 200 };
  #soon: number;

  /**
   * @param most threads to begin with
   * @param soon milliseconds of steps, two at least, after which fewer are tried, however few steps these were
   */
  constructor(most: number, soon = Number.POSITIVE_INFINITY) {
    this.#most = most;
    this.#threads = most;
    this.#soon = soon;
  }

  /** For the next step. */
  get threads(): number {
    return this.#threads;
  }

  /**
   * Tells of a step, which may change `threads`.
   * @param cpuMilliseconds that this process had a processor in that time, all threads together
   * @returns a line about a change that stays
   */
  ran(milliseconds: number, cpuMilliseconds: number): string | undefined {
    this.#since++;
    // The first one after a change also makes ready.
    if (this.#since === 1) return undefined;
    this.#steps.push({ milliseconds, share: cpuMilliseconds / (milliseconds * this.#threads) });
    const trial = this.#trial;
    if (trial !== undefined && milliseconds > hopeless * trial.median) this.#giveUp(trial);
    else if (this.#isTelling()) return trial === undefined ? this.#look() : this.#judge(trial);
    return undefined;
  }

  /** Whether there are enough steps to go by: few, where they are long. */
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
