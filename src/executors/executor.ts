/** The interface that every engine implements, and nothing else. */

import type { Graph } from "../ir/graph.ts";
import type { Tensor } from "../tensor.ts";

/** Parameters by name. The arrays are the weights: an optimiser writes into them in place. */
export type Weights = ReadonlyMap<string, Tensor>;

export interface CompileOptions {
  /**
   * `live`: each run reads the arrays in `weights` as they are then, and writes the graph's updates into them.
   * `frozen` (default): the engine may copy, reorder and fold the weights at compile time; later changes are not seen.
   */
  readonly weights?: "live" | "frozen";
  /** Threads inside one operation; default: one per core. */
  readonly threads?: number;
}

export interface Executor {
  readonly name: string;
  /** One line for `senet doctor`: the engine and its version. */
  readonly description: string;
  /**
   * @throws SenetError `weights` where a parameter is missing or misshapen, `executor` where an operation or dtype
   * cannot be served, naming the node and the reason.
   */
  compile(graph: Graph, weights: Weights, options?: CompileOptions): Promise<Executable>;
}

export interface Executable {
  /**
   * Runs once. `inputs` are by the names of the graph's inputs; the first extent (batch) of a `frozen` executable's
   * inputs may differ from the graph's, where the engine allows it (`dynamicBatch`).
   * The tensors given back belong to the executable: the next run overwrites them.
   */
  run(inputs: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>>;
  dispose(): Promise<void>;
}
