/** Evaluates weights on the pictures of a loader. */

import type { Loader } from "../data/loader.node.ts";
import type { Executable } from "../executors/executor.ts";
import type { Evaluation } from "./evaluate.ts";
import { compileNetwork, evaluateNetwork, type NetworkSubject, type Watch } from "./network.ts";

export interface FolderEvaluation extends Omit<NetworkSubject, "batchSize"> {
  /** Yields each picture once, pre-processed for the model. */
  readonly loader: Loader;
}

/**
 * Compiles the model with its current weights and evaluates it on every picture.
 * @throws the reason of `signal` if it stopped the evaluation
 */
export const evaluateFolder = (options: FolderEvaluation & Watch): Promise<Evaluation> =>
  evaluateNetwork({ ...subjectOf(options), batches: () => options.loader.epoch(0) });

/** The model compiled with its current weights, for the loader's batches. */
export const compileFor = (options: FolderEvaluation): Promise<Executable> => compileNetwork(subjectOf(options));

const subjectOf = <T extends FolderEvaluation>(options: T) => ({
  ...options,
  batchSize: options.loader.batchSize * options.loader.views,
});
