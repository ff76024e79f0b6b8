/** Facts about a run, told when it starts. */

/** The phase of a run. Before `validating` everything has been saved; `saving` should not be interrupted. */
export type Phase = "starting" | "training" | "saving" | "validating";

export interface RunFacts {
  readonly executor: string;
  readonly reason: string;
  readonly classes: number;
  readonly trainImages: number;
  readonly validationImages: number;
  readonly parameters: number;
  /** Those that are not frozen. */
  readonly learntParameters: number;
  /** Epochs of the whole run. */
  readonly epochs: number;
  readonly startEpoch: number;
  /** Steps of that epoch that an earlier process did. */
  readonly startStep: number;
  readonly stepsPerEpoch: number;
  readonly batchSize: number;
  /** The schedule's highest rate. */
  readonly learningRate: number;
}
