/** A moving average of the weights, kept by the engine as one more slot: what generalises better than the weights themselves. */

import { type Assignment, add, mul, scalar, set } from "./expression.ts";

export interface AverageConfig {
  /** How much of the average is kept at each step. */
  readonly decay: number;
  /** Less is kept at first, so that the beginning is soon forgotten. */
  readonly warmup: boolean;
}

/** The slot. */
export const averageSlot = "average";

/** What follows the update of `weight`. */
export const averaging: readonly Assignment[] = [
  set(averageSlot, mul(scalar("averageKept"), averageSlot)),
  set(averageSlot, add(averageSlot, mul(scalar("averageAdded"), "weight"))),
];

export function averageScalars(config: AverageConfig, step: number): Readonly<Record<string, number>> {
  const kept = averageDecayAt(config, step);
  return { averageKept: kept, averageAdded: 1 - kept };
}

/**
 * As timm's ModelEmaV3: the average begins as the weights after the first update.
 * @param step updates before this one
 */
export function averageDecayAt({ decay, warmup }: AverageConfig, step: number): number {
  if (step === 0) return 0;
  return warmup ? Math.min(decay, 1 - (1 + step) ** (-2 / 3)) : decay;
}
