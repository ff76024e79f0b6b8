/** A training run at the terminal: the live line, the line that each epoch leaves, and Ctrl-C that loses nothing. */

import { dusted } from "../text.ts";
import { learningRateOf } from "../train/config.ts";
import type { Progress } from "../train/loop.ts";
import { bestFile, type RunOptions, type RunResult, trainRun } from "../train/run.node.ts";
import type { EpochMetrics } from "../train/state.ts";
import { FailureReport } from "./failures.ts";
import { interruptible } from "./interrupt.ts";
import { clock, grouped, LiveLine } from "./output.ts";

class TrainingProgress {
  readonly #line = new LiveLine();
  /** Seconds that epochs took besides their steps: evaluating and saving. */
  #start: number | undefined;
  #firstDone = 0;

  step(progress: Progress): void {
    const { epoch, epochs, step, steps, loss, top1, imagesPerSecond, learningRate } = progress;
    const done = epoch * steps + step;
    if (this.#start === undefined) {
      this.#start = performance.now();
      this.#firstDone = done;
    }
    this.#line.show(() => {
      const elapsed = (performance.now() - this.#start!) / 1000;
      const steady = done - this.#firstDone;
      // Time left from the whole run so far, so that evaluations count; the first step tells nothing.
      const left = steady === 0 ? "" : `, ${clock((elapsed / steady) * (epochs * steps - done))} left`;
      return (
        `epoch ${epoch + 1}/${epochs} step ${step}/${steps}: loss ${loss.toFixed(4)}, top-1 ${top1.toFixed(2)} %, ` +
        `${imagesPerSecond.toFixed(1)} images/s, rate ${learningRate.toPrecision(3)}${left}`
      );
    });
  }

  epoch(metrics: EpochMetrics, isBest: boolean, epochs: number): void {
    const { epoch, trainLoss, trainTop1Error, validationLoss, validationTop1Error, validationTop5Error } = metrics;
    this.#line.print(
      `epoch ${epoch + 1}/${epochs}: loss ${trainLoss.toFixed(4)}, top-1 error ${trainTop1Error.toFixed(2)} %; ` +
        `validation loss ${validationLoss.toFixed(4)}, top-1 error ${validationTop1Error.toFixed(2)} %, ` +
        `top-5 error ${validationTop5Error.toFixed(2)} %; ${metrics.imagesPerSecond.toFixed(1)} images/s, ` +
        `${clock(metrics.seconds)}${isBest ? ", best so far" : ""}`,
    );
  }

  print(text: string): void {
    this.#line.print(text);
  }
}

/** An argument as a shell takes it back: as it is, or in single quotes where it has anything special. */
export const quoted = (argument: string): string =>
  /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;

/**
 * Runs, with progress on stderr. The first Ctrl-C ends the run after the step under way and saves; a second one ends the
 * process.
 * @param resume the command that goes on with the run, to print when it was stopped
 */
export async function runTraining(
  options: Omit<RunOptions, "signal" | "say" | "onFailure" | "onStart" | "onStep" | "onEpoch">,
  resume: string,
): Promise<RunResult> {
  const progress = new TrainingProgress();
  const { config } = options;
  const failures = new FailureReport((line) => progress.print(line));
  const result = await interruptible(
    () => progress.print("stopping after this step; once more to stop at once"),
    (signal) =>
      trainRun({
        ...options,
        say: (line) => progress.print(line),
        onFailure: (failure) => failures.met(failure),
        signal,
        onStart: (facts) => {
          progress.print(`${config.model}: ${grouped(facts.parameters)} parameters, ${facts.classes} classes`);
          progress.print(
            `${grouped(facts.trainImages)} pictures to train on, ${grouped(facts.validationImages)} to validate`,
          );
          progress.print(`executor ${facts.executor}: ${facts.reason}; highest rate ${dusted(learningRateOf(config))}`);
          if (facts.startEpoch > 0) progress.print(`resumed at epoch ${facts.startEpoch + 1}`);
        },
        onStep: (step) => progress.step(step),
        onEpoch: (metrics, isBest) => progress.epoch(metrics, isBest, config.epochs),
      }),
  );
  failures.summary();
  if (result.finished) {
    progress.print(`done: best top-1 error ${result.state.bestTop1Error!.toFixed(2)} %, ${bestFile(options.out)}`);
  } else {
    progress.print(`stopped and saved; go on with: ${resume}`);
    process.exitCode = 130;
  }
  return result;
}
