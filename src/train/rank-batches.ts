/** A training by several ranks: what a configuration means for each, and for all. */

import { option, SenetError } from "../errors.ts";
import type { Ranks } from "../ranks.ts";
import type { TrainingConfig } from "./config.ts";
import type { Given } from "./resume.ts";

/**
 * A configuration's batches are those of all ranks together, so that it says the same of the curve however many there are:
 * what a user asks for is for each (`--batch-size`, as timm has it).
 */
export function forAllRanks(config: TrainingConfig, { count }: Pick<Ranks, "count">): TrainingConfig {
  const { batchSize, microBatch } = config;
  return { ...config, batchSize: count * batchSize, microBatch: microBatch === null ? null : count * microBatch };
}

/** The same of what is asked of a run that goes on. */
export function givenForAllRanks(given: Given, { count }: Pick<Ranks, "count">): Given {
  const times = (value: unknown) => (typeof value === "number" ? count * value : value);
  const { batchSize, microBatch } = given.values;
  return {
    ...given,
    values: {
      ...given.values,
      ...(batchSize !== undefined && { batchSize: times(batchSize) }),
      ...(microBatch !== undefined && { microBatch: times(microBatch) }),
    },
  };
}

/** @throws SenetError `usage` where the ranks cannot share the batch evenly */
export function checkShares(config: TrainingConfig, { count }: Pick<Ranks, "count">): void {
  if (count === 1) return;
  const { batchSize, microBatch } = config;
  const together = microBatch ?? batchSize;
  const hint = `as many processes as divide ${together}, or a new run`;
  if (together % count !== 0) {
    throw new SenetError("usage", "the batch cannot be divided among the processes", {
      where: option("batchSize"),
      expected: `a multiple of ${count}, the number of processes`,
      found: `${together} pictures at a time`,
      hint,
    });
  }
  const isMixed = config.mixup > 0 || config.cutmix > 0;
  if (isMixed && (together / count) % 2 !== 0) {
    throw new SenetError("usage", "pictures are mixed two by two, on the process that has both", {
      where: option("batchSize"),
      expected: "an even number of pictures for each process",
      found: `${together / count}`,
      hint: `an even ${option("batchSize")}, or no mixup and cutmix`,
    });
  }
}
