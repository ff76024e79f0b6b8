/** A training step that differs between epochs, in the size of its pictures and in whether batch norm learns, and for a last batch that is not full. */

import { asyncDispose } from "../disposal.ts";
import type { Weights } from "../executors/executor.ts";
import type { OptimizerState } from "../optim/rule.ts";
import type { Tensor } from "../tensor.ts";
import type { StepOptions, StepPosition, StepRates, StepResult, StepState, TrainingStep } from "./step.ts";

/** What may differ. Without a batch it is that of all others. */
export type StepForm = Pick<StepOptions, "imageSize" | "freezeBatchNorm"> & Partial<Pick<StepOptions, "batchSize">>;

/** Compiles the step in one form, always on the same weights. */
export type CompileStep = (form: StepForm, state?: StepState) => Promise<TrainingStep>;

/** As a `TrainingStep`, compiled in one form at a time: weights, averages and the optimiser's state go on from form to form. */
export class ChangingStep implements AsyncDisposable {
  readonly #compile: CompileStep;
  #form: StepForm;
  #step: TrainingStep;

  private constructor(compile: CompileStep, form: StepForm, step: TrainingStep) {
    this.#compile = compile;
    this.#form = form;
    this.#step = step;
  }

  /** @param state of an earlier run; fresh without */
  static async create(compile: CompileStep, form: StepForm, state?: StepState): Promise<ChangingStep> {
    return new ChangingStep(compile, form, await compile(form, state));
  }

  /** From now on steps have this form. To be called between two of them. */
  async change(form: StepForm): Promise<void> {
    const { imageSize, freezeBatchNorm = false, batchSize } = this.#form;
    const isOfSize = form.imageSize === imageSize && form.batchSize === batchSize;
    if (isOfSize && (form.freezeBatchNorm ?? false) === freezeBatchNorm) return;
    await this.#step.synchronise();
    const state = { optimizer: this.#step.optimizerState, average: this.#step.average };
    // First, so that the memory of both is never wanted at once.
    await this.#step.dispose();
    this.#step = await this.#compile(form, state);
    this.#form = form;
  }

  /** As `TrainingStep.run`, of pictures of the size that was told last. */
  run(images: Tensor, target: Tensor, rates: number | StepRates, position?: StepPosition): Promise<StepResult> {
    return this.#step.run(images, target, rates, position);
  }

  /** As `TrainingStep.optimizerState`. */
  get optimizerState(): OptimizerState {
    return this.#step.optimizerState;
  }

  /** As `TrainingStep.average`. */
  get average(): Weights | undefined {
    return this.#step.average;
  }

  /** As `TrainingStep.gradientLayout`. */
  get gradientLayout(): string {
    return this.#step.gradientLayout;
  }

  /** As `TrainingStep.synchronise`. */
  synchronise(): Promise<void> {
    return this.#step.synchronise();
  }

  dispose(): Promise<void> {
    return this.#step.dispose();
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
