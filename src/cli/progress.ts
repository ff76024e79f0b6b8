/** The live line of a training run, and the line that each epoch leaves. */

import type { Progress } from "../train/loop.ts";
import type { EpochMetrics } from "../train/state.ts";
import { clock, LiveLine } from "./output.ts";

export class TrainingProgress {
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
