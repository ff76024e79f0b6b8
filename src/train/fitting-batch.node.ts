/** Finds the largest batch that fits into memory. */

import { option, SenetError } from "../errors.ts";
import { isOutOfMemory } from "../executors/out-of-memory.ts";
import { sizesOf } from "../images/augment/config.ts";
import { availableMemory } from "../memory.node.ts";
import { sizeOf } from "../tensor.ts";
import { channelsOf, inferenceGraph } from "../zoo/index.ts";
import { averageConfigOf } from "./averaging.ts";
import type { TrainingConfig } from "./config.ts";
import { countsOf, createStep } from "./create-step.ts";
import { openRunData, type PrepareOptions, trainingExecutor } from "./prepare.node.ts";
import { startOf } from "./start.ts";

/** Memory of a step in bytes, as a linear function of the batch size. */
export interface StepMemory {
  readonly fixed: number;
  readonly perPicture: number;
}

/** Share of the free memory to use; the rest is for decoded pictures and validation (data/picture-memory.node.ts). */
const share = 0.5;
/** An epoch has at least this many steps: fewer teach little. */
const fewestSteps = 10;
/** Batches in the queue between the loader and the step. */
const waiting = 4;
/** Copies of the weights in memory: weights, gradients, the engine's copies, and two optimiser slots. */
const copies = 6;

/**
 * The largest batch for `room` bytes: a multiple of eight, or below eight a power of two; at least 2, which batch norm
 * needs.
 */
export function largestBatch({ fixed, perPicture }: StepMemory, room: number, most: number): number {
  const fits = Math.max(2, Math.min(most, Math.floor((room - fixed) / perPicture)));
  return fits >= 8 ? fits - (fits % 8) : 2 ** Math.floor(Math.log2(fits));
}

/**
 * The configuration with the largest batch that fits. No out-of-memory trials: the step is compiled for two small
 * batches, and its memory extrapolated linearly.
 * @throws SenetError as training; `usage` where `microBatch` is set as well
 */
export async function withFittingBatch(
  options: PrepareOptions & { readonly memoryLimit?: number | undefined },
): Promise<TrainingConfig> {
  const { say, memoryLimit = availableMemory(), ...quiet } = options;
  const { build, source } = quiet;
  // Without parts, since the whole batch is not known yet.
  const config = { ...options.config, batchSize: 1, microBatch: null };
  if (options.config.microBatch !== null) {
    throw new SenetError("usage", "the largest batch that fits is never computed in parts", {
      where: option("batchSize"),
      found: `auto, and parts of ${options.config.microBatch} pictures`,
      hint: "a number of pictures, or no parts",
    });
  }
  const { train } = await openRunData({ ...quiet, config });
  const { model, weights } = startOf({ config, labels: train.classes, build, source });
  const { executor } = await trainingExecutor(quiet);
  const imageSize = Math.max(
    config.imageSize,
    ...(config.progressive === null ? [] : sizesOf(config.progressive)).map(({ size }) => size),
  );
  const bytesOf = async (batchSize: number): Promise<number> => {
    const subject = { model, weights, executor, counts: countsOf(train), average: averageConfigOf(config) };
    const probe = { ...quiet, config: { ...config, batchSize } };
    await using step = await createStep(probe, subject, { imageSize, freezeBatchNorm: false });
    return step.activationBytes;
  };
  const { perPicture: activations, fixed } = await stepMemory(bytesOf);
  const graph = inferenceGraph(model, { batch: 1, imageSize });
  const parameters = graph.parameters.reduce((sum, { type }) => sum + sizeOf(type.shape), 0);
  const memory = {
    fixed: fixed + 4 * copies * parameters,
    perPicture: activations + 4 * waiting * channelsOf(model.config) * imageSize ** 2,
  };
  const room = share * memoryLimit;
  const most = Math.floor(train.samples.length / fewestSteps);
  const batchSize = largestBatch(memory, room, most);
  const isAll = batchSize === largestBatch(memory, Number.POSITIVE_INFINITY, most);
  say?.(
    `batches of ${batchSize} pictures: ` +
      (isAll
        ? `for ${fewestSteps} steps an epoch; `
        : `the most for half of the ${mebibytes(memoryLimit)} that are free; `) +
      `each picture takes ${mebibytes(memory.perPicture)}, and the rest ${mebibytes(memory.fixed)}`,
  );
  return { ...config, batchSize };
}

async function stepMemory(bytesOf: (batchSize: number) => Promise<number>): Promise<StepMemory> {
  const between = async (small: number, large: number): Promise<StepMemory> => {
    const [a, b] = [await bytesOf(small), await bytesOf(large)];
    const perPicture = (b - a) / (large - small);
    return { perPicture, fixed: Math.max(0, a - small * perPicture) };
  };
  try {
    return await between(8, 16);
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    return between(2, 4);
  }
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 100 * 2 ** 20 ? 1 : 0)} MiB`;
