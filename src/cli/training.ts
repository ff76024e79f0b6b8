/** A training run at the terminal: a live line, one line per epoch, and Ctrl-C without loss. */

import { existsSync } from "node:fs";
import { topFive } from "../evaluate/metrics.ts";
import { plain } from "../text-output.ts";
import type { TrainingConfig } from "../train/config.ts";
import type { Phase, RunFacts } from "../train/facts.ts";
import type { Progress } from "../train/loop.ts";
import { lossName } from "../train/losses.ts";
import { bestFile, lastFile } from "../train/out.node.ts";
import { type RunOptions, type RunResult, trainRun } from "../train/run.node.ts";
import type { EpochMetrics } from "../train/state.ts";
import { FailureReport } from "./failures.ts";
import { interruptible } from "./interrupt.ts";
import { clock, grouped, LiveLine } from "./output.ts";

/** Below this, a network without pre-training has little to learn from. */
const fewPictures = 1000;

/** The live line of a step. The time left comes early, so that an 80-column terminal does not cut it off. */
export function stepLine(progress: Progress, secondsLeft: number | undefined): string {
  const { epoch, epochs, step, steps, loss, top1, imagesPerSecond, learningRate } = progress;
  const left = secondsLeft === undefined ? "" : `, ${clock(secondsLeft)} left`;
  return (
    `epoch ${epoch + 1}/${epochs} step ${step}/${steps}${left}: loss ${loss.toFixed(4)}, ` +
    `top-1 ${top1.toFixed(2)} %, ${imagesPerSecond.toFixed(1)} images/s, rate ${plain(learningRate, 3)}`
  );
}

class TrainingProgress {
  readonly #line = new LiveLine();
  #epochs: number;
  #start: number | undefined;
  #firstLeft = 0;
  #epoch = 0;
  #phase: Phase = "starting";
  #unsaved = false;
  #saved = false;

  constructor(epochs: number) {
    this.#epochs = epochs;
  }

  start(config: TrainingConfig, facts: RunFacts): void {
    const { model, weights } = config;
    const { trainImages, validationImages, stepsPerEpoch, startEpoch } = facts;
    this.#epoch = startEpoch;
    this.#epochs = facts.epochs;
    this.print(`${model}: ${grouped(facts.parameters)} parameters, ${facts.classes} classes`);
    this.print(`${grouped(trainImages)} pictures to train on, ${grouped(validationImages)} to validate`);
    const over = trainImages - stepsPerEpoch * facts.batchSize;
    if (over > 0) {
      const which = over === 1 ? "1 picture, another" : `${grouped(over)} pictures, others`;
      this.print(`each epoch leaves out ${which} each time: they do not fill a batch of ${facts.batchSize}`);
    }
    if (facts.learntParameters < facts.parameters) {
      this.print(`${grouped(facts.learntParameters)} of the parameters learn, the others are frozen`);
    }
    if (trainImages < fewPictures && weights === null) {
      this.print(
        `${grouped(trainImages)} pictures are few: a network that has already been trained on others (--weights) does better ` +
          "than this one, which starts from scratch",
      );
    }
    this.print(`executor ${facts.executor}: ${facts.reason}; highest rate ${plain(facts.learningRate)}`);
    if (config.bceLoss) this.print(`all losses below are ${lossName(config)}`);
    if (startEpoch > 0 || facts.startStep > 0) {
      const step = facts.startStep === 0 ? "" : `, after step ${facts.startStep} of ${stepsPerEpoch}`;
      this.print(`resumed at epoch ${startEpoch + 1}${step}`);
    }
  }

  phase(phase: Phase): void {
    if (this.#phase === "saving" && phase !== "saving") {
      this.#unsaved = false;
      this.#saved = true;
    }
    this.#phase = phase;
  }

  /** Whether ending the process now would lose something; between two saves, only the report. */
  get isUnsaved(): boolean {
    return this.#unsaved || this.#phase === "saving" || (this.#phase === "training" && this.#saved);
  }

  /** Whether a validation is running. Everything is saved then, and it stops after the current batch. */
  get isValidating(): boolean {
    return this.#phase === "validating";
  }

  /** Whether this process has saved anything. */
  get hasSaved(): boolean {
    return this.#saved;
  }

  step(progress: Progress): void {
    const { epoch, left } = progress;
    this.#unsaved = true;
    this.#epoch = epoch;
    if (this.#start === undefined) {
      this.#start = performance.now();
      this.#firstLeft = left;
    }
    this.#line.show(() => {
      const elapsed = (performance.now() - this.#start!) / 1000;
      const steady = this.#firstLeft - left;
      // Estimated from the whole run so far, so that validations count; the first step is not representative.
      return stepLine(progress, steady === 0 ? undefined : (elapsed / steady) * left);
    });
  }

  validation(done: number, total: number): void {
    this.#line.show(() => `epoch ${this.#epoch + 1}/${this.#epochs} validating: ${grouped(done)} of ${grouped(total)}`);
  }

  epoch(metrics: EpochMetrics, isBest: boolean): void {
    const { epoch, trainLoss, trainTop1Error, validationLoss, validationTop1Error, validationTop5Error } = metrics;
    const { averageTop1Error } = metrics;
    this.#epoch = epoch + 1;
    this.#line.print(
      `epoch ${epoch + 1}/${this.#epochs}: loss ${trainLoss.toFixed(4)}, top-1 error ${trainTop1Error.toFixed(2)} %; ` +
        `validation loss ${validationLoss.toFixed(4)}, top-1 error ${validationTop1Error.toFixed(2)} %` +
        `${topFive(validationTop5Error, (error) => `, top-5 error ${error.toFixed(2)} %`)}; ` +
        `${averageTop1Error === undefined ? "" : `of the average, top-1 error ${averageTop1Error.toFixed(2)} %; `}` +
        `${metrics.imagesPerSecond.toFixed(1)} images/s, ${clock(metrics.seconds)}${isBest ? ", best so far" : ""}`,
    );
  }

  print(text: string): void {
    this.#line.print(text);
  }
}

/** An argument quoted for a shell, if it has special characters. */
export const quoted = (argument: string): string =>
  /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;

/**
 * Runs with progress on stderr. The first Ctrl-C (or SIGTERM, SIGHUP) ends the run after the step under way and saves;
 * if everything is saved already, as during a validation, it ends at once. A second one ends the process.
 * @param resume the command that resumes the run, printed when it was stopped
 * @param onSignal called on the first signal
 */
export async function runTraining(
  options: Omit<
    RunOptions,
    "signal" | "say" | "onFailure" | "onStart" | "onStep" | "onEpoch" | "onPhase" | "onValidation"
  >,
  resume: string,
  onSignal: () => void = () => {},
): Promise<RunResult> {
  const { config, out } = options;
  const progress = new TrainingProgress(config.epochs);
  const goOn = `stopped and saved; continue with: ${resume}`;
  const nothingSaved = "stopped; there was nothing to save yet";
  const canGoOn = () => progress.hasSaved || (options.resume && existsSync(lastFile(out)));
  let exitCode = 0;
  let started = false;
  const failures = new FailureReport((line) => progress.print(line));
  const result = await interruptible(
    (code) => {
      exitCode = code;
      onSignal();
      // SIGTERM comes from a scheduler, or from mpirun when another rank ended; nobody is at the keyboard.
      const again = code === 130 ? "; press Ctrl-C again to stop at once" : "";
      if (progress.isUnsaved) return progress.print(`stopping after this step${again}`);
      if (progress.isValidating) return progress.print(`stopping${again}`);
      progress.print(canGoOn() ? goOn : nothingSaved);
      process.exit(code);
    },
    (signal) =>
      trainRun({
        ...options,
        say: (line) => progress.print(line),
        onFailure: (failure) => failures.met(failure),
        signal,
        onStart: (facts) => {
          started = true;
          progress.start(config, facts);
        },
        onStep: (step) => progress.step(step),
        onEpoch: (metrics, isBest) => progress.epoch(metrics, isBest),
        onPhase: (phase) => progress.phase(phase),
        onValidation: (done, total) => progress.validation(done, total),
      }),
  );
  failures.summary();
  const { state } = result;
  if (result.finished) {
    const best = `best top-1 error ${state.bestTop1Error!.toFixed(2)} %, ${bestFile(out)}`;
    if (started && state.epoch < result.config.epochs) {
      progress.print(`stopped early: no epoch of the last ${config.patience} was better than the best before`);
    }
    const longer = config.maxSteps === null ? `; --epochs ${2 * state.epoch}, for example, trains longer` : "";
    progress.print(
      started ? `done: ${best}` : `done: the run was finished after ${state.epoch} epochs, ${best}${longer}`,
    );
  } else if (canGoOn()) {
    progress.print(goOn);
    process.exitCode = exitCode;
  } else {
    progress.print(nothingSaved);
    process.exitCode = exitCode || 1;
  }
  return result;
}
