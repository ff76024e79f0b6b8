/** Types for passes. */

import type { Weights } from "../executors/executor.ts";
import type { Graph } from "../ir/graph.ts";

/** A graph with its weights. */
export interface Program {
  readonly graph: Graph;
  readonly weights: Weights;
}

export interface Pass {
  readonly name: string;
  run(program: Program): Program;
}
