/** Runs weights on batches of pictures. */

import { turn } from "../event-loop.ts";
import type { Executable, Executor } from "../executors/executor.ts";
import { fromFeatures } from "../nn/from-features.ts";
import { inferenceProgram, type NetworkWeights } from "../weights/program.ts";
import { inferenceGraph, inputName, type Model } from "../zoo/index.ts";
import { type Evaluation, type EvaluationBatch, evaluate, predict } from "./evaluate.ts";

/** A network, and the batches that it is made for. */
export interface NetworkSubject extends NetworkWeights {
  readonly executor: Executor;
  readonly model: Model;
  /** Pictures in a batch, counting the views of each. */
  readonly batchSize: number;
  /** The side of the pictures. */
  readonly imageSize: number;
  /** The batches hold what the network's head sees of pictures, instead of pictures. */
  readonly onFeatures?: boolean | undefined;
  readonly threads?: number;
}

export interface NetworkEvaluation extends NetworkSubject {
  /** Each picture once, prepared for the model. */
  readonly batches: () => AsyncIterable<EvaluationBatch>;
}

export interface Watch {
  /** Stops after the batch at hand, or within it where the engine can. */
  readonly signal?: AbortSignal;
  /** Told after each batch how many pictures were measured. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Compiles the model for inference with the weights as they are now, and measures it on every picture.
 * @throws the reason of `signal` where that stopped it
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

/** The model for inference, with the weights as they are now. */
export async function compileNetwork(options: NetworkSubject): Promise<Executable> {
  const { executor, model, batchSize, imageSize, threads } = options;
  const whole = inferenceGraph(model, { batch: batchSize, imageSize });
  const graph = options.onFeatures === true ? fromFeatures(whole, inputName) : whole;
  const program = await inferenceProgram(graph, options);
  return executor.compile(program.graph, program.weights, threads === undefined ? {} : { threads });
}
