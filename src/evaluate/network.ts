/** Evaluates weights on batches of pictures. */

import { turn } from "../event-loop.ts";
import type { Executable, Executor } from "../executors/executor.ts";
import { fromFeatures } from "../nn/from-features.ts";
import { inferenceProgram, type NetworkWeights } from "../weights/program.ts";
import { inferenceGraph, inputName, type Model } from "../zoo/index.ts";
import { type Evaluation, type EvaluationBatch, evaluate, type PictureLoss, predict } from "./evaluate.ts";

/** A network and the shape of its batches. */
export interface NetworkSubject extends NetworkWeights {
  readonly executor: Executor;
  readonly model: Model;
  /** Images in a batch, counting each view. */
  readonly batchSize: number;
  /** Side of the pictures. */
  readonly imageSize: number;
  /** Batches contain features, the input of the network's head, instead of pictures. */
  readonly onFeatures?: boolean | undefined;
  readonly threads?: number | undefined;
}

export interface NetworkEvaluation extends NetworkSubject {
  /** Yields each picture once, pre-processed for the model. */
  readonly batches: () => AsyncIterable<EvaluationBatch>;
  /** Default: cross-entropy. */
  readonly lossOf?: PictureLoss | undefined;
}

export interface Watch {
  /** Stops after the current batch, or within it if the engine can. */
  readonly signal?: AbortSignal;
  /** Called after each batch with the number of pictures so far. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Compiles the model with its current weights and evaluates it on every picture.
 * @throws the reason of `signal` if it stopped the evaluation
 */
export async function evaluateNetwork(options: NetworkEvaluation & Watch): Promise<Evaluation> {
  const network = await compileNetwork(options);
  try {
    return await evaluate(watched(predict(network, options.batches(), options), options), options.model.classes);
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

/** Compiles the model for inference with its current weights. */
export async function compileNetwork(options: NetworkSubject): Promise<Executable> {
  const { executor, model, batchSize, imageSize, threads } = options;
  const whole = inferenceGraph(model, { batch: batchSize, imageSize });
  const graph = options.onFeatures === true ? fromFeatures(whole, inputName) : whole;
  const program = await inferenceProgram(graph, options);
  return executor.compile(program.graph, program.weights, { threads });
}
