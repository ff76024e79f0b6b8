/** Evaluates weights on a folder of pictures. */

import type { Loader } from "../data/loader.node.ts";
import type { Executor, Weights } from "../executors/executor.ts";
import { inferencePasses, runPasses } from "../passes/index.ts";
import { inferenceGraph, type Model } from "../zoo/index.ts";
import { type Evaluation, evaluate } from "./evaluate.ts";

export interface FolderEvaluation {
  readonly executor: Executor;
  readonly model: Model;
  readonly weights: Weights;
  /** Gives each picture once, prepared for the model. */
  readonly loader: Loader;
  /** The loader's. */
  readonly batchSize: number;
  readonly imageSize: number;
  readonly threads?: number;
  readonly onBatch?: (images: number) => void;
}

/** Compiles the model for inference with the weights as they are now, and measures it on every picture. */
export async function evaluateFolder(options: FolderEvaluation): Promise<Evaluation> {
  const { executor, model, weights, loader, batchSize, imageSize, threads } = options;
  const graph = inferenceGraph(model, { batch: batchSize, imageSize });
  const program = runPasses({ graph, weights }, inferencePasses);
  const network = await executor.compile(program.graph, program.weights, threads === undefined ? {} : { threads });
  try {
    return await evaluate(network, loader.epoch(0), model.classes, options.onBatch);
  } finally {
    await network.dispose();
  }
}
