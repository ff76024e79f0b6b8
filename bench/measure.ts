/** What the benchmarks share: taking turns, waiting for silence, and what the machine was like meanwhile. */

import { availableParallelism, cpus, loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { instructionSets } from "../src/machine.node.ts";

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error("no values have no median");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

/** How long a turn is: runs until both are reached. */
export interface TurnLength {
  readonly milliseconds: number;
  readonly runs: number;
}

/** Takes a turn, gives what each run took, and is idle again when it has settled. */
export type Contender = (length: TurnLength) => Promise<readonly number[]>;

/**
 * Rounds in which each contender has one turn, the first of a round being another one each time, so that whatever else
 * the machine does hits all of them. Gives each contender's median of each round.
 */
export async function takeTurns<Name extends string>(
  contenders: Readonly<Record<Name, Contender>>,
  rounds: number,
  length: TurnLength,
): Promise<Record<Name, readonly number[]>> {
  const names = Object.keys(contenders) as Name[];
  const medians = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(round + i) % names.length]!;
      medians[name].push(median(await contenders[name](length)));
    }
  }
  return medians;
}

/** A contender of this process: one run that is not counted (caches and threads wake up), then the turn, then silence. */
export function contender(run: () => Promise<unknown>): Contender {
  return async ({ milliseconds, runs }) => {
    await run();
    const times: number[] = [];
    const end = performance.now() + milliseconds;
    while (times.length < runs || performance.now() < end) {
      const start = performance.now();
      await run();
      times.push(performance.now() - start);
    }
    await settle();
    return times;
  };
}

/**
 * Waits until no thread of this process works any more: engines let their threads spin for a while after a run, which
 * would slow whatever is measured next.
 */
export async function settle(): Promise<void> {
  const windowMs = 50;
  for (let tries = 0; tries < 200; tries++) {
    const before = process.cpuUsage();
    await sleep(windowMs);
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1000 < 0.05 * windowMs) return;
  }
  throw new Error("this process does not become idle");
}

/** Watches how much of the machine other processes use meanwhile. */
export class Neighbours {
  readonly #busy = busyMilliseconds();
  readonly #own = process.cpuUsage();
  readonly #start = performance.now();

  /**
   * Percent of all cores that went to neither this process nor its child; undefined where the system does not tell.
   * @param childMilliseconds processor time of the child meanwhile
   */
  percent(childMilliseconds = 0): number | undefined {
    const busy = busyMilliseconds() - this.#busy;
    if (busy === 0) return undefined;
    const { user, system } = process.cpuUsage(this.#own);
    const others = busy - (user + system) / 1000 - childMilliseconds;
    return Math.max(0, (100 * others) / ((performance.now() - this.#start) * cpus().length));
  }
}

const busyMilliseconds = (): number =>
  cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);

/** For the JSON line: where this was measured. */
export const machine = () => ({
  node: process.version,
  processor: cpus()[0]?.model.trim() ?? "unknown",
  instruction_sets: instructionSets(),
  cores: availableParallelism(),
  load_average: loadavg().map((load) => Number(load.toFixed(2))),
});

/** The value of an option that is a whole number from 1 up. */
export function whole(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${option}: a whole number from 1 up, not "${text}"`);
  return value;
}

export const percent = (value: number | undefined): string => (value === undefined ? "?" : `${value.toFixed(0)} %`);
