/** Shared code of benchmarks: taking turns, waiting for idle threads, and recording the machine's load. */

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

/** Length of a turn: until both are reached. */
export interface TurnLength {
  readonly milliseconds: number;
  readonly runs: number;
}

/** Takes a turn and returns the time of each run; its threads are idle again when it resolves. */
export type Contender = (length: TurnLength) => Promise<readonly number[]>;

/**
 * Runs rounds in which each contender has one turn. The first one of a round alternates, so that other load affects all
 * of them. Returns each contender's median for each round.
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

/**
 * A contender in this process: one run that is not counted (to wake up caches and threads), then the turn, then waiting
 * until idle.
 */
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
 * Waits until no thread of this process is working: engines let their threads spin after a run, which would slow down
 * the next measurement.
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

/** Measures how much of the machine other processes use. */
export class Neighbours {
  readonly #busy = busyMilliseconds();
  readonly #own = process.cpuUsage();
  readonly #start = performance.now();

  /**
   * Percent of all cores used by other processes than this one and its child; undefined if the system does not report
   * it.
   * @param childMilliseconds processor time of the child in this period
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

/** Describes the machine, for the JSON line. */
export const machine = () => ({
  node: process.version,
  processor: cpus()[0]?.model.trim() ?? "unknown",
  instruction_sets: instructionSets(),
  cores: availableParallelism(),
  load_average: loadavg().map((load) => Number(load.toFixed(2))),
});

/** Parses an option that must be a whole number from 1. */
export function whole(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${option}: a whole number from 1 up, not "${text}"`);
  return value;
}

export const percent = (value: number | undefined): string => (value === undefined ? "?" : `${value.toFixed(0)} %`);
