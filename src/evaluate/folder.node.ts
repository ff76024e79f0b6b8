/** Runs weights on the pictures of a loader. */

import type { Loader } from "../data/loader.node.ts";
import { turn } from "../event-loop.ts";
import type { Executable, Executor } from "../executors/executor.ts";
import { type NetworkWeights, predictionProgram } from "../weights/program.ts";
import { inferenceGraph, type Model } from "../zoo/index.ts";
import { type Evaluation, evaluate, predict } from "./evaluate.ts";

export interface FolderEvaluation extends NetworkWeights {
  readonly executor: Executor;
  readonly model: Model;
  /** Gives each picture once, prepared for the model. */
  readonly loader: Loader;
  /** The side of the loader's pictures. */
  readonly imageSize: number;
  readonly threads?: number;
}

export interface Watch {
  /** Stops after the batch at hand. */
  readonly signal?: AbortSignal;
  /** Told after each batch how many pictures were measured. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Compiles the model for inference with the weights as they are now, and measures it on every picture.
 * @throws the reason of `signal` where that stopped it
 */
export async function evaluateFolder(options: FolderEvaluation & Watch): Promise<Evaluation> {
  const network = await compileFor(options);
  try {
    return await evaluate(watched(predict(network, options.loader.epoch(0)), options), options.model.classes);
  } finally {
    await network.dispose();
  }
}

async function* watched<T>(batches: AsyncIterable<readonly T[]>, { signal, onProgress }: Watch) {
  let done = 0;
  signal?.throwIfAborted();
  for await (const batch of batches) {
    yield batch;
    done += batch.length;
    onProgress?.(done);
    await turn();
    signal?.throwIfAborted();
  }
}

/** The model for inference, with the weights as they are now, for the loader's batches. */
export function compileFor(options: FolderEvaluation): Promise<Executable> {
  const { executor, model, loader, imageSize, threads } = options;
  const graph = inferenceGraph(model, { batch: loader.batchSize * loader.views, imageSize });
  const program = predictionProgram(graph, options);
  return executor.compile(program.graph, program.weights, threads === undefined ? {} : { threads });
}
