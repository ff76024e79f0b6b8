/** A training step for pictures whose size changes between epochs. */

import type { OptimizerState } from "../optim/rule.ts";
import type { Tensor } from "../tensor.ts";
import type { StepPosition, StepResult, TrainingStep } from "./step.ts";

/** Compiles the step for one size of pictures, always on the same weights. */
export type CompileStep = (imageSize: number, state?: OptimizerState) => Promise<TrainingStep>;

/** As a `TrainingStep`, compiled for one size at a time: weights and the optimiser's state go on from size to size. */
export class StepBySize implements AsyncDisposable {
  readonly #compile: CompileStep;
  #imageSize: number;
  #step: TrainingStep;

  private constructor(compile: CompileStep, imageSize: number, step: TrainingStep) {
    this.#compile = compile;
    this.#imageSize = imageSize;
    this.#step = step;
  }

  /** @param state of an earlier run; fresh without */
  static async create(compile: CompileStep, imageSize: number, state?: OptimizerState): Promise<StepBySize> {
    return new StepBySize(compile, imageSize, await compile(imageSize, state));
  }

  /** From now on pictures have this size. To be called between two steps. */
  async resize(imageSize: number): Promise<void> {
    if (imageSize === this.#imageSize) return;
    await this.#step.synchronise();
    const state = this.#step.optimizerState;
    // First, so that the memory of both is never wanted at once.
    await this.#step.dispose();
    this.#step = await this.#compile(imageSize, state);
    this.#imageSize = imageSize;
  }

  /** As `TrainingStep.run`, of pictures of the size that was told last. */
  run(images: Tensor, target: Tensor, learningRate: number, position?: StepPosition): Promise<StepResult> {
    return this.#step.run(images, target, learningRate, position);
  }

  /** As `TrainingStep.optimizerState`. */
  get optimizerState(): OptimizerState {
    return this.#step.optimizerState;
  }

  /** As `TrainingStep.synchronise`. */
  synchronise(): Promise<void> {
    return this.#step.synchronise();
  }

  dispose(): Promise<void> {
    return this.#step.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
