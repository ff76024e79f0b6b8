/**
 * Stochastic depth (Huang, Sun, Liu, Sedra, Weinberger: arXiv 1603.09382), as in timm: in training, a residual block's
 * branch is dropped for a picture at random, with a probability that grows with depth; kept branches are scaled up so
 * that the mean stays the same. It is implemented as dropout of the gates, the factor of each branch channel (1 without
 * gates).
 */

import type { Value } from "../ir/graph.ts";
import type { Scope } from "./scope.ts";

/** Drop probability of block `index` of `blocks`: from 0 for the first to the network's rate for the last. */
export function dropPathAt({ mode: { training, dropPath = 0 } }: Scope, index: number, blocks: number): number {
  return training && blocks > 1 ? (dropPath * index) / (blocks - 1) : 0;
}

/**
 * The factor of each channel of `branch`, `[N,C,1,1]`. Which pictures keep their branch is a graph input, `PATH.keep`,
 * as for `dropout`.
 * @param gate the factor without stochastic depth; `undefined`: 1
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
