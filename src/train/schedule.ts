/** Learning rates as plain functions of the step. */

export interface ScheduleConfig {
  readonly schedule: "cosine" | "step";
  /** The highest rate, reached after the warm-up. */
  readonly learningRate: number;
  readonly epochs: number;
  /** Epochs over which the rate rises linearly from almost nothing. */
  readonly warmupEpochs: number;
  /** `step`: the rate is multiplied by `stepFactor` at each of these epochs. */
  readonly stepEpochs: readonly number[];
  readonly stepFactor: number;
}

/** The rate of optimiser step `step`, counted from 0 over the whole run. */
export function learningRateAt(config: ScheduleConfig, step: number, stepsPerEpoch: number): number {
  const { schedule, learningRate, epochs, warmupEpochs } = config;
  const warmupSteps = warmupEpochs * stepsPerEpoch;
  if (step < warmupSteps) return (learningRate * (step + 1)) / (warmupSteps + 1);
  const epoch = step / stepsPerEpoch;
  if (schedule === "step") {
    return learningRate * config.stepFactor ** config.stepEpochs.filter((drop) => epoch >= drop).length;
  }
  const progress = (step - warmupSteps) / Math.max(1, epochs * stepsPerEpoch - warmupSteps);
  return 0.5 * learningRate * (1 + Math.cos(Math.PI * Math.min(1, progress)));
}
