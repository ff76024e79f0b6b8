/** Time of a run, by kinds of work. */

import { table } from "./output.ts";

/** Milliseconds per image for each kind of work. */
export type Kinds = readonly (readonly [kind: string, milliseconds: number])[];

export const kindsTable = (kinds: Kinds): string =>
  table(
    ["kind of work", "ms an image"],
    kinds.map(([kind, milliseconds]) => [kind, milliseconds.toFixed(3)]),
  );

/** Sums, for each run, the times that an executor reports (`CompileOptions.observe`). */
export class Profile {
  readonly #runs: Map<string, number>[] = [];
  #run = new Map<string, number>();

  readonly observe = (kind: string, milliseconds: number): void => {
    this.#run.set(kind, (this.#run.get(kind) ?? 0) + milliseconds);
  };

  /** Ends a run; it is dropped unless it `counts`. */
  endRun(counts: boolean): void {
    if (counts) this.#runs.push(this.#run);
    this.#run = new Map();
  }

  /** Milliseconds per image for each kind of work, median over the runs, largest first. */
  kinds(batchSize: number): Kinds {
    const names = new Set(this.#runs.flatMap((run) => [...run.keys()]));
    const medianOf = (kind: string) => {
      const times = this.#runs.map((run) => run.get(kind) ?? 0).sort((a, b) => a - b);
      return times[times.length >> 1]! / batchSize;
    };
    return [...names].map((kind) => [kind, medianOf(kind)] as const).sort((a, b) => b[1] - a[1]);
  }
}
