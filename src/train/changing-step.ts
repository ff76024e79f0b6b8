/**
 * A training step that may change between epochs: in image size, in whether batch norm learns, and for a last batch
 * that is not full.
 */

import { asyncDispose } from "../disposal.ts";
import type { Weights } from "../executors/executor.ts";
import type { OptimizerState } from "../optim/rule.ts";
import type { Tensor } from "../tensor.ts";
import type { StepOptions, StepPosition, StepRates, StepResult, StepState, TrainingStep } from "./step.ts";

/** What may change. Without `batchSize`, the usual batch. */
export type StepForm = Pick<StepOptions, "imageSize" | "freezeBatchNorm"> & Partial<Pick<StepOptions, "batchSize">>;

/** Compiles the step in one form; all forms share the same weights. */
export type CompileStep = (form: StepForm, state?: StepState) => Promise<TrainingStep>;

/**
 * Like a `TrainingStep`, compiled in one form at a time; weights, averages and optimiser state carry over between
 * forms.
 */
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

  /** Changes the form of the following steps. To be called between two steps. */
  async change(form: StepForm): Promise<void> {
    const { imageSize, freezeBatchNorm = false, batchSize } = this.#form;
    const isOfSize = form.imageSize === imageSize && form.batchSize === batchSize;
    if (isOfSize && (form.freezeBatchNorm ?? false) === freezeBatchNorm) return;
    await this.#step.synchronise();
    const state = { optimizer: this.#step.optimizerState, average: this.#step.average };
    // Disposed of first, so that the two never need memory at the same time.
    await this.#step.dispose();
    this.#step = await this.#compile(form, state);
    this.#form = form;
  }

  /** As `TrainingStep.run`, for pictures of the current form's size. */
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
