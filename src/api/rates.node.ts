/** Finds a learning rate, for programs. */

import { rateChart } from "../report/rates.ts";
import { findRates } from "../train/lr-find.node.ts";
import { type RatePoint, type RateSuggestions, type RateTrial, suggestRates } from "../train/lr-find.ts";
import type { PrepareOptions } from "../train/prepare.node.ts";
import { begun, type TrainOptions } from "./train.node.ts";

/** The training's own options, since the best rate depends on batch size, optimiser and what is frozen. */
export interface FindRateOptions
  extends Omit<TrainOptions, "learningRate" | "out" | "resume" | "fresh" | "acceptChanges">,
    Partial<RateTrial> {
  readonly onPoint?: (point: RatePoint, step: number) => void;
}

export interface FoundRates extends RateSuggestions {
  /** The rate to use: `valley`. */
  readonly suggested: number;
  readonly points: readonly RatePoint[];
  /** The curve, as an SVG file. */
  readonly curve: string;
}

/**
 * Runs a short trial in which the rate rises until the loss explodes. Keeps no weights and writes nothing.
 * @param data as for `train`
 * @throws SenetError (as a rejection) as `train`; `training` where nothing can be read from the curve
 */
export async function findLearningRate(data: string, options: FindRateOptions = {}): Promise<FoundRates> {
  const { from = 1e-7, to = 10, steps = 100, onPoint, ...training } = options;
  const { config, build, source, running } = await begun(training, (line) => training.say?.(line));
  const points = await findRates({
    ...(running as Partial<PrepareOptions>),
    data,
    config,
    build,
    source,
    trial: { from, to, steps },
    ...(onPoint && { onPoint }),
    ...(training.signal && { signal: training.signal }),
  });
  const found = suggestRates(points);
  const curve = rateChart(`Learning rates: ${config.model} on ${data}`, points, found);
  return { ...found, suggested: found.valley, points, curve };
}
