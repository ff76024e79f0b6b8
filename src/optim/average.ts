/**
 * Moving average of the weights, which often generalises better than the weights; the engine keeps it as an extra slot.
 */

import { type Assignment, add, mul, scalar, set } from "./expression.ts";

export interface AverageConfig {
  /** Weight of the old average at each step. */
  readonly decay: number;
  /** Start with a lower decay, so that the first weights are soon forgotten. */
  readonly warmup: boolean;
}

/** Name of the slot. */
export const averageSlot = "average";

/** The assignments after the update of `weight`. */
export const averaging: readonly Assignment[] = [
  set(averageSlot, mul(scalar("averageKept"), averageSlot)),
  set(averageSlot, add(averageSlot, mul(scalar("averageAdded"), "weight"))),
];

export function averageScalars(config: AverageConfig, step: number): Readonly<Record<string, number>> {
  const kept = averageDecayAt(config, step);
  return { averageKept: kept, averageAdded: 1 - kept };
}

/**
 * As in timm's ModelEmaV3: the average starts as the weights after the first update.
 * @param step number of updates before this one
 */
export function averageDecayAt({ decay, warmup }: AverageConfig, step: number): number {
  if (step === 0) return 0;
  return warmup ? Math.min(decay, 1 - (1 + step) ** (-2 / 3)) : decay;
}
