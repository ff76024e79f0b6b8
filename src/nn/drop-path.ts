/**
 * Stochastic depth (Huang, Sun, Liu, Sedra, Weinberger: arXiv 1603.09382), as timm has it: when training, a residual block's
 * branch is left out for a picture by chance, the more often the deeper the block stands; where it is kept it is scaled up,
 * so that the mean stays. It is dropout of the factor that a picture's branch has anyway, or would have: the gates.
 */

import type { Value } from "../ir/graph.ts";
import type { Scope } from "./scope.ts";

/** How often the branch of the `index`-th of so many blocks is left out: from never at the first to the network's rate at the last. */
export function dropPathAt({ mode: { training, dropPath = 0 } }: Scope, index: number, blocks: number): number {
  return training && blocks > 1 ? (dropPath * index) / (blocks - 1) : 0;
}

/**
 * The factor of each channel of `branch`, `[N,C,1,1]`. Which pictures keep their branch is an input of the graph,
 * `PATH.keep`, as of `dropout`.
 * @param gate what it would be; `undefined`: 1
 * @param rate from 0 to below 1
 */
export function dropPath(scope: Scope, branch: Value, gate: Value | undefined, rate: number): Value | undefined {
  if (rate === 0) return gate;
  const { dtype, shape: all } = branch.type;
  const shape = [all[0]!, all[1]!, 1, 1];
  const factor = gate ?? scope.at("all").apply("fill", [], { value: 1, shape, dtype });
  const keep = scope.graph.input(`${scope.path}.keep`, shape, dtype);
  return scope.apply("dropout", [factor, keep], { rate, byRow: true });
}
