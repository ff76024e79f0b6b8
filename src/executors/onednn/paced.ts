/** A trainer or executable that is recompiled for fewer threads while the machine is busy. */

import { asyncDispose } from "../../disposal.ts";
import type { Tensor, TensorData } from "../../tensor.ts";
import type { Executable, PlanFacts, Trainer, UpdateOptions } from "../executor.ts";
import { Uses } from "../uses.ts";
import { Pace } from "./pace.ts";

export interface PacedOptions<T> {
  /** For errors. */
  readonly name: string;
  /** Initial and largest number of threads. */
  readonly most: number;
  /**
   * Compiles for a number of threads, for which primitives are specific. Starts from the current contents of the arrays
   * of weights and optimiser state.
   */
  readonly create: (threads: number) => T;
  /** Processor time of this process so far in milliseconds, over all threads. */
  readonly cpuMilliseconds: () => number;
  readonly say: (line: string) => void;
}

/** Holds an object compiled for a number of threads, and recompiles it for another number. */
class Paced<T extends { dispose(): Promise<void> }> {
  readonly #options: PacedOptions<T>;
  readonly #pace: Pace;
  /** Number of threads of `current`. */
  #threads: number;
  current: T;

  constructor(options: PacedOptions<T>) {
    this.#options = options;
    this.#pace = new Pace(options.most);
    this.#threads = this.#pace.threads;
    this.current = options.create(this.#threads);
  }

  get isToChange(): boolean {
    return this.#threads !== this.#pace.threads;
  }

  /** Disposes of the old one first, since both might not fit into memory. */
  async change(): Promise<void> {
    await this.current.dispose();
    this.#threads = this.#pace.threads;
    this.current = this.#options.create(this.#threads);
  }

  /** Runs a step and measures its time. */
  async step<Result>(work: () => Promise<Result>): Promise<Result> {
    const { cpuMilliseconds, say } = this.#options;
    const [start, startCpu] = [performance.now(), cpuMilliseconds()];
    const result = await work();
    const line = this.#pace.ran(performance.now() - start, cpuMilliseconds() - startCpu);
    if (line !== undefined) say(line);
    return result;
  }
}

/** With a plan of its own. */
export type Planned<T> = T & { readonly plan: PlanFacts };

export class PacedExecutable implements Executable {
  readonly #paced: Paced<Planned<Executable>>;
  readonly #uses: Uses;

  constructor(options: PacedOptions<Planned<Executable>>) {
    this.#paced = new Paced(options);
    this.#uses = new Uses(options.name);
  }

  get plan(): PlanFacts {
    return this.#paced.current.plan;
  }

  run(inputs: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
    const paced = this.#paced;
    return this.#uses.inTurn(async () => {
      if (paced.isToChange) await paced.change();
      return paced.step(() => paced.current.run(inputs));
    });
  }

  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#paced.current.dispose());
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

export class PacedTrainer implements Trainer {
  readonly #paced: Paced<Planned<Trainer>>;
  readonly #uses: Uses;
  /** Whether gradients are being accumulated, which another trainer would lay out differently. */
  #hasGradients = false;

  constructor(options: PacedOptions<Planned<Trainer>>) {
    this.#paced = new Paced(options);
    this.#uses = new Uses(options.name);
  }

  get plan(): PlanFacts {
    return this.#paced.current.plan;
  }

  get gradientData(): readonly TensorData[] {
    return this.#paced.current.gradientData;
  }

  gradients(inputs: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
    const paced = this.#paced;
    return this.#uses.inTurn(async () => {
      if (paced.isToChange && !this.#hasGradients) {
        await paced.current.synchronise();
        await paced.change();
      }
      this.#hasGradients = true;
      return paced.step(() => paced.current.gradients(inputs));
    });
  }

  areFinite(): Promise<boolean> {
    return this.#uses.inTurn(() => this.#paced.current.areFinite());
  }

  update(options: UpdateOptions): Promise<void> {
    return this.#uses.inTurn(() => {
      this.#hasGradients = false;
      return this.#paced.current.update(options);
    });
  }

  synchronise(): Promise<void> {
    return this.#uses.inTurn(() => this.#paced.current.synchronise());
  }

  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#paced.current.dispose());
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
