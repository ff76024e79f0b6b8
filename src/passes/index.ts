/** Passes rewrite a graph together with its weights. The lists below say which passes run, in order. */

import { verify } from "../ir/verify.ts";
import { foldBatchNorm, foldFrozen } from "./fold-batch-norm.ts";
import type { Pass, Program } from "./program.ts";
import { removeDead } from "./remove-dead.ts";

export type { Pass, Program };

/** Passes on an inference graph before an executor compiles it. */
export const inferencePasses: readonly Pass[] = [
  { name: "fold batch norm into convolutions", run: foldBatchNorm },
  { name: "remove dead nodes", run: removeDead },
];

/** Passes on a training graph before it is differentiated. */
export const trainingPasses: readonly Pass[] = [
  { name: "fold frozen batch norms into convolutions", run: foldFrozen },
  { name: "remove dead nodes", run: removeDead },
];

/** Runs the passes in order. The graph is verified after each, and errors name the pass at fault. */
export function runPasses(program: Program, passes: readonly Pass[]): Program {
  for (const pass of passes) {
    program = pass.run(program);
    verify(program.graph, pass.name);
  }
  return program;
}
