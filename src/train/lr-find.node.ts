/** Runs a learning-rate trial on pictures, with the network and configuration of the training to come. */

import type { Loader } from "../data/loader.node.ts";
import type { TrainingConfig } from "./config.ts";
import { countsOf, createStep } from "./create-step.ts";
import { withFittingBatch } from "./fitting-batch.node.ts";
import { partsOf, type TrainingBatch } from "./loop.ts";
import { checkTrial, type RatePoint, type RateTrial, tryRates } from "./lr-find.ts";
import { mixed } from "./mix.ts";
import { preprocessingOf, trainingTransformOf } from "./pictures.ts";
import {
  loadingOf,
  memoryOf,
  openRunData,
  type PrepareOptions,
  trainingExecutor,
  trainingLoader,
} from "./prepare.node.ts";
import type { RunOptions } from "./run.node.ts";
import { beginWithPatches, startOf } from "./start.ts";

export interface RateOptions extends PrepareOptions, Pick<RunOptions, "fitBatch" | "memoryLimit"> {
  readonly trial: RateTrial;
  readonly onPoint?: (point: RatePoint, step: number) => void;
}

/**
 * Writes nothing and keeps no weights.
 * @throws SenetError as training; the reason of `signal` if it stopped the trial
 */
export async function findRates(given: RateOptions): Promise<RatePoint[]> {
  checkTrial(given.trial);
  const fitting = given.fitBatch === true ? await withFittingBatch(given) : given.config;
  // Always at the size that the training ends with.
  const config: TrainingConfig = { ...fitting, progressive: null };
  const options = { ...given, config };
  const { build, source, trial, onPoint, signal, say } = options;
  const { train } = await openRunData(options);
  const start = startOf({ config, labels: train.classes, build, source });
  const { model, weights, preprocessing, notes } = start;
  for (const note of notes) say?.(note);
  const transform = trainingTransformOf(config, preprocessingOf(config, preprocessing));
  await using loader = trainingLoader(options, train, transform, loadingOf(options, memoryOf(options)));
  loader.prepare(0);
  const { executor } = await trainingExecutor(options);
  await beginWithPatches(start, { config, batches: () => loader.epoch(0) });
  await using step = await createStep(
    options,
    { model, weights, executor, counts: countsOf(train) },
    { imageSize: config.imageSize, freezeBatchNorm: false },
  );
  const batches = endless(loader, config, train.classes.length);
  return await tryRates({
    ...trial,
    step,
    batches,
    parts: partsOf(config),
    ...(onPoint && { onPoint }),
    ...(signal && { signal }),
  });
}

/** The batches of one epoch after another, without end. */
async function* endless(loader: Loader, config: TrainingConfig, classes: number): AsyncGenerator<TrainingBatch> {
  for (let epoch = 0; ; epoch++) yield* mixed(loader.epoch(epoch), config, { epoch, start: 0, classes });
}
