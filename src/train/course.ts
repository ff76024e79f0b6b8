/** A run between its pictures and its files: steps, validations, and what is to be saved. Where both lie is the caller's. */

import type { Evaluation, EvaluationBatch } from "../evaluate/evaluate.ts";
import type { Executor } from "../executors/executor.ts";
import { sizeAt } from "../images/sizes.ts";
import { isTrainable, type Parameter } from "../ir/graph.ts";
import { alone } from "../ranks.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { lossGraph, type Model } from "../zoo/index.ts";
import { averageConfigOf } from "./averaging.ts";
import { measuredBucket, trialBytes } from "./bucket-size.ts";
import { ChangingStep, type CompileStep, type StepForm } from "./changing-step.ts";
import { learningRateOf, type TrainingConfig } from "./config.ts";
import { createStep, ownBatch, type StepRunning, threadsOf } from "./create-step.ts";
import type { Phase, RunFacts } from "./facts.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { type LoopOptions, type TrainingBatch, trainingLoop } from "./loop.ts";
import { mixed } from "./mix.ts";
import { trainingTransformOf } from "./pictures.ts";
import { requireAlike, requireSameWeights } from "./same-start.ts";
import type { SavedRun } from "./saved.ts";
import { isFinished, type TrainingState } from "./state.ts";
import type { StepState } from "./step.ts";
import { Validation } from "./validation.ts";

export interface CourseOptions extends StepRunning, Pick<LoopOptions, "onStep" | "onEpoch" | "signal"> {
  readonly executor: Executor;
  /** Of senet, which all ranks are to have. */
  readonly version?: string;
  /** Why it is that one. */
  readonly reason: string;
  /** The network with the weights that it begins with, which the run changes, and how pictures are prepared. */
  readonly checkpoint: Omit<Checkpoint, "run">;
  /** How many pictures there are of each class, to train on and to validate with. */
  readonly counts: { readonly train: readonly number[]; readonly val: readonly number[] };
  readonly stepsPerEpoch: number;
  /** Where it begins, and what an earlier part of it left. */
  readonly start: TrainingState;
  readonly left?: StepState;
  /** Of the pictures. */
  readonly data: Fingerprint;
  /** The batches of an epoch from one of them on, as large as the step's parts (`LoopOptions.batches`). */
  readonly batches: (epoch: number, start: number) => AsyncIterable<TrainingBatch>;
  /** Each picture to validate with, or of this rank's part of them, once, in batches of `validationBatch`. */
  readonly validation: () => AsyncIterable<EvaluationBatch>;
  /** Of several ranks the first saves, what is all of theirs. */
  readonly save: (checkpoint: Omit<Checkpoint, "run">, run: SavedRun, isBest: boolean) => Promise<void>;
  readonly saveEverySeconds?: number | undefined;
  /** Whether it is saved before its first step too. */
  readonly savesStart?: boolean;
  readonly onStart: (facts: RunFacts) => void;
  readonly onPhase?: ((phase: Phase) => void) | undefined;
  /** Pictures validated so far, of all. */
  readonly onValidation?: ((done: number, total: number) => void) | undefined;
}

export interface CourseResult {
  readonly state: TrainingState;
  /** False when `signal` stopped it before its last epoch. */
  readonly finished: boolean;
  /** What the best weights said of the pictures to validate with; absent where they are of an earlier part. */
  readonly evaluation?: Evaluation;
}

/** @throws SenetError `training` and what `save` throws; what was saved before stays */
export async function runCourse(options: CourseOptions): Promise<CourseResult> {
  const { config, checkpoint, executor, counts, start, left, data, signal, onPhase = () => {} } = options;
  const { ranks = alone } = options;
  const { model, weights, labels, preprocessing } = checkpoint;
  const parameters = parametersOf(model, config);
  const transform = trainingTransformOf(config, preprocessing);
  const formAt = (epoch: number): StepForm => ({
    imageSize: sizeAt(transform, epoch),
    freezeBatchNorm: epoch >= config.epochs - config.freezeBnEpochs,
  });
  const subject = { model, weights, executor, counts: counts.train, average: averageConfigOf(config) };
  const bucketBytes = options.bucketBytes ?? (await bucketBytesFor(options));
  const compile: CompileStep = (form, state) => createStep({ ...options, bucketBytes }, subject, form, state);
  await using step = await ChangingStep.create(compile, formAt(start.epoch), left);
  await requireAlike(ranks, {
    ...{ version: options.version ?? "", config, data, classes: labels, weights },
    // Not where its library lies.
    engine: `${executor.name}: ${executor.description.replace(/ \([^)]*\)/g, "")}; ${step.gradientLayout}`,
  });
  const pictures = (of: readonly number[]) => of.reduce((sum, count) => sum + count, 0);
  const validation = new Validation({
    ...{ model, weights, executor, signal, batches: options.validation, images: pictures(counts.val) },
    ...{ batchSize: validationBatch(options), imageSize: config.imageSize, onFeatures: options.onFeatures, ranks },
    ...threadsOf(options),
    onProgress: options.onValidation,
  });
  options.onStart({
    ...{ executor: executor.name, reason: options.reason, stepsPerEpoch: options.stepsPerEpoch },
    ...{ classes: labels.length, trainImages: pictures(counts.train), validationImages: pictures(counts.val) },
    ...{ epochs: config.epochs, batchSize: config.batchSize, ...parameters },
    ...{ startEpoch: start.epoch, startStep: start.step, learningRate: learningRateOf(config) },
  });
  let best: Evaluation | undefined;
  const save = async (state: TrainingState, isBest: boolean) => {
    onPhase("saving");
    await step.synchronise();
    const { optimizerState: optimizer, average } = step;
    const run = { config, state, data, optimizer, ...(average && { average }) };
    if (ranks.rank === 0) await options.save({ model, labels, preprocessing, weights }, run, isBest);
    if (isBest) best = validation.latest;
    onPhase("training");
  };
  onPhase("training");
  if (options.savesStart === true) await save(start, false);
  const state = await trainingLoop(
    {
      ...{ config, step, signal, ranks, say: options.say, onStep: options.onStep, onEpoch: options.onEpoch },
      stepsPerEpoch: options.stepsPerEpoch,
      batches: async function* (epoch, from) {
        const form = formAt(epoch);
        await step.change(form);
        const batches = cut(options.batches(epoch, from));
        for await (const batch of mixed(batches, config, { epoch, start: from, classes: labels.length })) {
          const batchSize = batch.images.shape[0]!;
          if (batchSize < ownBatch(options)) await step.change({ ...form, batchSize });
          yield batch;
        }
      },
      evaluate: async () => {
        onPhase("validating");
        await step.synchronise();
        await requireSameWeights(ranks, weights);
        const evaluations = await validation.run(step.average);
        if (evaluations !== undefined) onPhase("saving");
        return evaluations;
      },
      save,
      ...(options.saveEverySeconds !== undefined && { saveEverySeconds: options.saveEverySeconds }),
    },
    start,
  );
  return { state, finished: isFinished(state, config), ...(best && { evaluation: best }) };
}

/** Without the rows that a last batch has too many. */
async function* cut(batches: AsyncIterable<TrainingBatch>): AsyncGenerator<TrainingBatch> {
  for await (const batch of batches) {
    const { images, labels, size = labels.shape[0]! } = batch;
    const first = ({ shape: [rows = 1, ...inner], data }: Tensor): Tensor =>
      tensor([size, ...inner], data.subarray(0, (data.length / rows) * size));
    yield size === labels.shape[0] ? batch : { images: first(images), labels: first(labels) };
  }
}

/** Measured; `undefined` where there is nobody to send to. */
async function bucketBytesFor({ ranks = alone, wire = "float32", say }: CourseOptions): Promise<number | undefined> {
  if (ranks.count === 1) return undefined;
  const { bytes, milliseconds } = await measuredBucket(ranks, wire);
  say?.(
    `gradients are sent ${bytes / 2 ** 20} MiB at a time; the sums of ${trialBytes / 2 ** 20} MiB take ${milliseconds.toFixed(1)} ms`,
  );
  return bytes;
}

/** How many pictures this rank validates at a time. */
export const validationBatch = ({ config, ranks = alone }: Pick<StepRunning, "config" | "ranks">): number =>
  config.batchSize / ranks.count;

/**
 * How many numbers a network learns, of how many.
 * @throws SenetError `usage` where what is to be frozen cannot be
 */
export function parametersOf(network: Model, { microBatch, batchSize, imageSize, freeze }: TrainingConfig) {
  const graph = lossGraph(network, { batch: microBatch ?? batchSize, imageSize, freeze: freeze ?? undefined });
  const sizeOfAll = (parameters: readonly Parameter[]) =>
    parameters.reduce((sum, { type }) => sum + sizeOf(type.shape), 0);
  return {
    parameters: sizeOfAll(graph.parameters.filter(({ role }) => role !== "mean" && role !== "variance")),
    learntParameters: sizeOfAll(graph.parameters.filter(isTrainable)),
  };
}
