/** Retries a run whose step does not fit into memory with half of the batch, and says so. */

import { isOutOfMemory } from "../executors/out-of-memory.ts";
import { plain } from "../text-output.ts";
import { learningRateOf, type TrainingConfig } from "./config.ts";
import type { TrainingState } from "./state.ts";

/** Adapts to its batch whatever depends on it; `say` is told what was changed. */
export type WithBatch = (config: TrainingConfig, say?: (line: string) => void) => TrainingConfig;

/**
 * Tries smaller and smaller batches until one fits, or none is left to try.
 * @param withBatch what `attempt` makes of a configuration, for the messages
 * @throws the last out-of-memory fault, or any other fault at once
 */
export async function withSmallerBatches<T>(
  config: TrainingConfig,
  attempt: (config: TrainingConfig) => Promise<T>,
  say: (line: string) => void = () => {},
  withBatch: WithBatch = (config) => config,
): Promise<T> {
  for (let current = config; ; ) {
    try {
      return await attempt(current);
    } catch (error) {
      const smaller = isOutOfMemory(error) ? halved(current) : undefined;
      if (smaller === undefined) throw error;
      say(`out of memory: ${changeBetween(withBatch(current), withBatch(smaller))}`);
      current = smaller;
    }
  }
}

/**
 * Halves the number of pictures computed at a time; `undefined` if it cannot be halved. Splitting a batch into parts
 * leaves the training unchanged.
 */
export function halved(config: TrainingConfig): TrainingConfig | undefined {
  const { batchSize, microBatch, maxSteps } = config;
  if (microBatch !== null && microBatch < batchSize) {
    return microBatch % 2 === 0 ? { ...config, microBatch: microBatch / 2 } : undefined;
  }
  if (batchSize < 2) return undefined;
  const half = Math.floor(batchSize / 2);
  return {
    ...config,
    batchSize: half,
    microBatch: microBatch === null ? null : half,
    // Steps for the same number of pictures.
    maxSteps: maxSteps === null ? null : Math.round((maxSteps * batchSize) / half),
  };
}

function changeBetween(before: TrainingConfig, now: TrainingConfig): string {
  if (now.batchSize === before.batchSize) {
    return `the batch of ${now.batchSize} is computed by ${now.microBatch} instead of ${before.microBatch} pictures at a time`;
  }
  const [old, rate] = [learningRateOf(before), learningRateOf(now)];
  const at =
    rate === old
      ? `at the rate that was given, ${plain(rate)}`
      : `with a rate of ${plain(rate)} instead of ${plain(old)}`;
  return `going on with batches of ${now.batchSize} pictures instead of ${before.batchSize}, ${at}`;
}

/**
 * Converts a state from batches of `before` pictures to batches of `now`: to the same picture of its epoch, or just
 * before.
 */
export function inSteps(state: TrainingState, before: number, now: number): TrainingState {
  return { ...state, step: Math.floor((state.step * before) / now) };
}
