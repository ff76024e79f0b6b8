/** A workload: a model with a picture size and batch size, written `se-resnet-50@224x16`. */

import type { Profile } from "../src/cli/profile.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { type Batch, Loader } from "../src/data/loader.node.ts";
import { inEightBits } from "../src/evaluate/speed.node.ts";
import type { Executor } from "../src/executors/executor.ts";
import { isTrainable } from "../src/ir/graph.ts";
import { inferencePasses, runPasses } from "../src/passes/index.ts";
import { createRandom } from "../src/random.ts";
import { sizeOf, type Tensor, tensor } from "../src/tensor.ts";
import { optimizerOf, type TrainingConfig, trainingConfig } from "../src/train/config.ts";
import { trainingTransformOf } from "../src/train/pictures.ts";
import { type StepOptions, type TogetherOptions, TrainingStep } from "../src/train/step.ts";
import { initialWeights } from "../src/weights/init.ts";
import { inferenceGraph, inputName, lossGraph, type Model, model, zooEntry } from "../src/zoo/index.ts";

export interface Workload {
  readonly model: string;
  readonly imageSize: number;
  readonly batchSize: number;
}

export function parseWorkload(text: string): Workload {
  const match = /^(.+)@([1-9]\d*)x([1-9]\d*)$/.exec(text);
  if (match === null) throw new Error(`"${text}" is not written MODEL@SIDExBATCH, like se-resnet-50@224x16`);
  const [, model, side, batch] = match;
  zooEntry(model!);
  return { model: model!, imageSize: Number(side), batchSize: Number(batch) };
}

/** The defaults of `senet train`, with label smoothing. */
export const configOf = ({ model, imageSize, batchSize }: Workload): TrainingConfig =>
  trainingConfig({ model, imageSize, batchSize, labelSmoothing: 0.1 });

/** Small enough that hundreds of steps on one batch stay finite. */
export const learningRate = 1e-3;

/** Our side of a comparison. */
export interface Ours extends AsyncDisposable {
  readonly run: () => Promise<unknown>;
  /** The time of each step, if the executor reports it. */
  readonly profile?: Profile;
}

/**
 * The inference graph after the passes, as `senet classify` runs it.
 * @param bits 8: as from `senet quantize`, but with arbitrary scales, since the answers are not used
 */
export async function ourInference(executor: Executor, workload: Workload, threads: number, bits?: 8): Promise<Ours> {
  const network = model(workload.model);
  const graph = inferenceGraph(network, { batch: workload.batchSize, imageSize: workload.imageSize });
  const folded = runPasses({ graph, weights: initialWeights(graph, 0) }, inferencePasses);
  const program = bits === 8 ? inEightBits(folded) : folded;
  const executable = await executor.compile(program.graph, program.weights, { threads });
  const inputs = new Map([[inputName, noise(workload, network.classes).images]]);
  return { run: () => executable.run(inputs), [Symbol.asyncDispose]: () => executable.dispose() };
}

/** The number of trained parameters, without running statistics. */
export function countParameters({ model: name, imageSize }: Workload): number {
  const { parameters } = inferenceGraph(model(name), { batch: 1, imageSize });
  return parameters.filter(isTrainable).reduce((sum, { type }) => sum + sizeOf(type.shape), 0);
}

/** A training step with fresh weights. */
export function createStep(
  executor: Executor,
  network: Model,
  workload: Workload,
  threads: number | undefined,
  observe?: StepOptions["observe"],
  together: TogetherOptions = {},
): Promise<TrainingStep> {
  const { imageSize, batchSize } = workload;
  const config = configOf(workload);
  const weights = initialWeights(lossGraph(network, { batch: batchSize, imageSize }), config.seed);
  const { labelSmoothing } = config;
  return TrainingStep.create(executor, network, weights, {
    batchSize,
    imageSize,
    labelSmoothing,
    optimizer: optimizerOf(config),
    weightDecay: config.weightDecay,
    decayOn: config.decayOn,
    ...(threads === undefined ? {} : { threads }),
    ...(observe === undefined ? {} : { observe }),
    ...together,
  });
}

export interface LabelledImages {
  readonly images: Tensor;
  readonly labels: Tensor;
}

/** One batch of normal noise, and labels in order. */
export function noise({ imageSize, batchSize }: Workload, classes: number): LabelledImages {
  const random = createRandom(1);
  const shape = [batchSize, 3, imageSize, imageSize];
  const pixels = Float32Array.from({ length: sizeOf(shape) }, () => random.normal());
  const labels = Int32Array.from({ length: batchSize }, (_, i) => i % classes);
  return { images: tensor(shape, pixels), labels: tensor([batchSize], labels) };
}

/** The loader of `senet train`. */
export function trainingLoader(workload: Workload, dataset: Dataset, cacheBytes: number | undefined): Loader {
  const config = configOf(workload);
  return new Loader({
    dataset,
    batchSize: config.batchSize,
    transform: trainingTransformOf(config),
    seed: config.seed,
    dropLast: true,
    ...(cacheBytes === undefined ? {} : { cacheBytes }),
  });
}

/** Yields the loader's batches, epoch after epoch. */
export async function* endless(loader: Loader, firstEpoch = 0): AsyncGenerator<Batch, never, undefined> {
  if (loader.batches === 0) throw new Error("there are fewer pictures than a batch holds");
  for (let epoch = firstEpoch; ; epoch++) yield* loader.epoch(epoch);
}
