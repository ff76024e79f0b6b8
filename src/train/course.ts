/** The course of a run: steps, validations, and when to save. The caller decides where pictures and files are. */

import type { Evaluation, EvaluationBatch } from "../evaluate/evaluate.ts";
import type { Executor } from "../executors/executor.ts";
import { sizeAt } from "../images/sizes.ts";
import { isTrainable, type Parameter } from "../ir/graph.ts";
import { alone } from "../ranks.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { lossGraph, type Model } from "../zoo/index.ts";
import { averageConfigOf, averageNote } from "./averaging.ts";
import { measuredBucket, trialBytes } from "./bucket-size.ts";
import { ChangingStep, type CompileStep, type StepForm } from "./changing-step.ts";
import { learningRateOf, type TrainingConfig } from "./config.ts";
import { createStep, ownBatch, type StepRunning } from "./create-step.ts";
import type { Phase, RunFacts } from "./facts.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { type LoopOptions, type TrainingBatch, trainingLoop } from "./loop.ts";
import { validationLossOf } from "./losses.ts";
import { mixed } from "./mix.ts";
import { trainingTransformOf } from "./pictures.ts";
import { requireAlike, requireSameWeights } from "./same-start.ts";
import type { SavedRun } from "./saved.ts";
import { beyondTheEnd } from "./schedule.ts";
import { isFinished, type TrainingState } from "./state.ts";
import type { StepState } from "./step.ts";
import { Validation } from "./validation.ts";

export interface CourseOptions extends StepRunning, Pick<LoopOptions, "onStep" | "onEpoch" | "signal"> {
  readonly executor: Executor;
  /** Version of senet, which must be the same on all ranks. */
  readonly version?: string;
  /** Why this engine was chosen. */
  readonly reason: string;
  /** The network with its initial weights, which the run changes in place, and its pre-processing. */
  readonly checkpoint: Omit<Checkpoint, "run">;
  /** Number of pictures of each class, for training and for validation. */
  readonly counts: { readonly train: readonly number[]; readonly val: readonly number[] };
  readonly stepsPerEpoch: number;
  /** Where the run starts, and what an earlier part of it left. */
  readonly start: TrainingState;
  readonly left?: StepState;
  /** Fingerprint of the pictures. */
  readonly data: Fingerprint;
  /** The batches of an epoch, from number `start` on, each as large as a part of a step (`LoopOptions.batches`). */
  readonly batches: (epoch: number, start: number) => AsyncIterable<TrainingBatch>;
  /** The validation pictures (or this rank's share of them), each once, in batches of `validationBatch`. */
  readonly validation: () => AsyncIterable<EvaluationBatch>;
  /** Saves the run. Called on rank 0 only, with the state of all ranks. */
  readonly save: (checkpoint: Omit<Checkpoint, "run">, run: SavedRun, isBest: boolean) => Promise<void>;
  readonly saveEverySeconds?: number | undefined;
  /** Whether to save before the first step too. */
  readonly savesStart?: boolean;
  readonly onStart: (facts: RunFacts) => void;
  readonly onPhase?: ((phase: Phase) => void) | undefined;
  /** Called with the number of pictures validated so far and in all. */
  readonly onValidation?: ((done: number, total: number) => void) | undefined;
}

export interface CourseResult {
  readonly state: TrainingState;
  /** False if `signal` stopped the run before its last epoch. */
  readonly finished: boolean;
  /** Evaluation of the best weights; absent if they come from an earlier part of the run. */
  readonly evaluation?: Evaluation;
}

/** Runs the training. @throws SenetError `training`; as `save`. What was saved earlier stays. */
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
    version: options.version ?? "",
    config,
    data,
    classes: labels,
    weights,
    // Without the path of the library, which may differ between hosts.
    engine: `${executor.name}: ${executor.description.replace(/ \([^)]*\)/g, "")}; ${step.gradientLayout}`,
  });
  const pictures = (of: readonly number[]) => of.reduce((sum, count) => sum + count, 0);
  const validation = new Validation({
    model,
    weights,
    executor,
    signal,
    batches: options.validation,
    images: pictures(counts.val),
    batchSize: validationBatch(options),
    imageSize: config.imageSize,
    onFeatures: options.onFeatures,
    ranks,
    lossOf: validationLossOf(config),
    threads: options.threads,
    onProgress: options.onValidation,
  });
  options.onStart({
    executor: executor.name,
    reason: options.reason,
    stepsPerEpoch: options.stepsPerEpoch,
    classes: labels.length,
    trainImages: pictures(counts.train),
    validationImages: pictures(counts.val),
    epochs: config.epochs,
    batchSize: config.batchSize,
    ...parameters,
    startEpoch: start.epoch,
    startStep: start.step,
    learningRate: learningRateOf(config),
  });
  const note = averageNote(config, Math.min(config.maxSteps ?? Infinity, config.epochs * options.stepsPerEpoch));
  for (const line of [...beyondTheEnd(config), ...(note === undefined ? [] : [note])]) options.say?.(line);
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
      config,
      step,
      signal,
      ranks,
      say: options.say,
      onStep: options.onStep,
      onEpoch: options.onEpoch,
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

/** Cuts off the rows of a last batch that are no pictures. */
async function* cut(batches: AsyncIterable<TrainingBatch>): AsyncGenerator<TrainingBatch> {
  for await (const batch of batches) {
    const { images, labels, size = labels.shape[0]! } = batch;
    const first = ({ shape: [rows = 1, ...inner], data }: Tensor): Tensor =>
      tensor([size, ...inner], data.subarray(0, (data.length / rows) * size));
    yield size === labels.shape[0] ? batch : { images: first(images), labels: first(labels) };
  }
}

/** The measured bucket size; `undefined` for a single process. */
async function bucketBytesFor({ ranks = alone, wire = "float32", say }: CourseOptions): Promise<number | undefined> {
  if (ranks.count === 1) return undefined;
  const { bytes, milliseconds } = await measuredBucket(ranks, wire);
  say?.(
    `gradients are sent ${bytes / 2 ** 20} MiB at a time; the sums of ${trialBytes / 2 ** 20} MiB take ${milliseconds.toFixed(1)} ms`,
  );
  return bytes;
}

/** This rank's batch size for validation. */
export const validationBatch = ({ config, ranks = alone }: Pick<StepRunning, "config" | "ranks">): number =>
  config.batchSize / ranks.count;

/**
 * The number of parameters of a network, and how many of them learn.
 * @throws SenetError `usage` where `freeze` names something that cannot be frozen
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
