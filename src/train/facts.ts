/** What a run says of itself. */

/** What a run is doing. What was done before `validating` is saved; `saving` is best not interrupted. */
export type Phase = "starting" | "training" | "saving" | "validating";

export interface RunFacts {
  readonly executor: string;
  readonly reason: string;
  readonly classes: number;
  readonly trainImages: number;
  readonly validationImages: number;
  readonly parameters: number;
  /** Of them, those that are not frozen. */
  readonly learntParameters: number;
  /** Of the run. */
  readonly epochs: number;
  readonly startEpoch: number;
  /** Steps of that epoch that were done before. */
  readonly startStep: number;
  readonly stepsPerEpoch: number;
  readonly batchSize: number;
  /** The highest of the schedule. */
  readonly learningRate: number;
}
