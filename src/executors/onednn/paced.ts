/** A trainer that goes on with fewer threads while the machine is busy. */

import type { Tensor, TensorData } from "../../tensor.ts";
import type { PlanFacts, StepOutput, Trainer, UpdateOptions } from "../executor.ts";
import { Uses } from "../uses.ts";
import { Pace } from "./pace.ts";

type Planned = Trainer & { readonly plan: PlanFacts };

export interface PacedOptions {
  /** For errors. */
  readonly name: string;
  /** Threads to begin with, and at most. */
  readonly most: number;
  /**
   * Primitives are made for a number of threads, so that another number wants others: it begins with the weights and
   * the optimiser's state as they are in their arrays then.
   */
  readonly create: (threads: number) => Planned;
  /** Milliseconds that this process has had a processor since it began, all threads together. */
  readonly cpuMilliseconds: () => number;
  readonly say: (line: string) => void;
}

export class PacedTrainer implements Trainer {
  readonly #options: PacedOptions;
  readonly #pace: Pace;
  readonly #uses: Uses;
  #trainer: Planned;
  /** What `#trainer` was made for. */
  #threads: number;
  /** Whether gradients are there that others may be added to: another trainer would lay these out differently. */
  #hasGradients = false;

  constructor(options: PacedOptions) {
    this.#options = options;
    this.#pace = new Pace(options.most);
    this.#uses = new Uses(options.name);
    this.#threads = this.#pace.threads;
    this.#trainer = options.create(this.#threads);
  }

  get plan(): PlanFacts {
    return this.#trainer.plan;
  }

  get gradientData(): readonly TensorData[] {
    return this.#trainer.gradientData;
  }

  gradients(inputs: ReadonlyMap<string, Tensor>): Promise<StepOutput> {
    return this.#uses.inTurn(async () => {
      if (this.#threads !== this.#pace.threads && !this.#hasGradients) await this.#change();
      this.#hasGradients = true;
      const { cpuMilliseconds, say } = this.#options;
      const [start, startCpu] = [performance.now(), cpuMilliseconds()];
      const output = await this.#trainer.gradients(inputs);
      const line = this.#pace.ran(performance.now() - start, cpuMilliseconds() - startCpu);
      if (line !== undefined) say(line);
      return output;
    });
  }

  update(options: UpdateOptions): Promise<void> {
    return this.#uses.inTurn(() => {
      this.#hasGradients = false;
      return this.#trainer.update(options);
    });
  }

  synchronise(): Promise<void> {
    return this.#uses.inTurn(() => this.#trainer.synchronise());
  }

  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#trainer.dispose());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** One after the other, since the two would not fit into memory at once. */
  async #change(): Promise<void> {
    await this.#trainer.synchronise();
    await this.#trainer.dispose();
    this.#threads = this.#pace.threads;
    this.#trainer = this.#options.create(this.#threads);
  }
}
