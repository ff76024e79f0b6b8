/** Passes rewrite a graph together with its weights. The lists below are the compiler's table of contents. */

import type { Weights } from "../executors/executor.ts";
import type { Graph } from "../ir/graph.ts";
import { verify } from "../ir/verify.ts";
import { foldBatchNorm } from "./fold-batch-norm.ts";
import { removeDead } from "./remove-dead.ts";

/** A graph and the weights that fit it. */
export interface Program {
  readonly graph: Graph;
  readonly weights: Weights;
}

export interface Pass {
  readonly name: string;
  run(program: Program): Program;
}

/** What an inference graph goes through before an executor compiles it. */
export const inferencePasses: readonly Pass[] = [
  { name: "fold batch norm into convolutions", run: foldBatchNorm },
  { name: "remove dead nodes", run: removeDead },
];

/** Runs the passes in order; the graph is verified after each, and an error names the guilty one. */
export function runPasses(program: Program, passes: readonly Pass[]): Program {
  for (const pass of passes) {
    program = pass.run(program);
    verify(program.graph, pass.name);
  }
  return program;
}
