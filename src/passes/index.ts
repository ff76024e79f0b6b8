/** Passes rewrite a graph together with its weights. The lists below are the compiler's table of contents. */

import { verify } from "../ir/verify.ts";
import { foldBatchNorm, foldFrozen } from "./fold-batch-norm.ts";
import type { Pass, Program } from "./program.ts";
import { removeDead } from "./remove-dead.ts";

export type { Pass, Program };

/** What an inference graph goes through before an executor compiles it. */
export const inferencePasses: readonly Pass[] = [
  { name: "fold batch norm into convolutions", run: foldBatchNorm },
  { name: "remove dead nodes", run: removeDead },
];

/** What a network for training goes through before it is differentiated. */
export const trainingPasses: readonly Pass[] = [
  { name: "fold frozen batch norms into convolutions", run: foldFrozen },
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
