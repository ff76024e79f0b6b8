/** What passes work on, and what a pass is. */

import type { Weights } from "../executors/executor.ts";
import type { Graph } from "../ir/graph.ts";

/** A graph and the weights that fit it. */
export interface Program {
  readonly graph: Graph;
  readonly weights: Weights;
}

export interface Pass {
  readonly name: string;
  run(program: Program): Program;
}
