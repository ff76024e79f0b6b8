/** Layer-wise learning rates, which fall from the classifier to the input: general features should change least. */

import type { Graph, Parameter } from "../ir/graph.ts";
import { positionsOf } from "../ir/position.ts";

/**
 * The factor on each parameter's learning rate, as in timm's `--layer-decay`: 1 for the classifier, `decay` for the
 * last block, its square for the block before, and the smallest for the stem.
 * @param forward the network's graph, without gradients
 */
export function layerRates(forward: Graph, decay: number): (parameter: Pick<Parameter, "name">) => number {
  const positions = positionsOf(forward);
  const depths = new Map<string, number>();
  for (const node of forward.nodes) {
    for (const { name } of node.inputs) if (!depths.has(name)) depths.set(name, positions.get(node)!.depth);
  }
  const deepest = Math.max(0, ...[...positions.values()].map(({ depth }) => depth));
  return ({ name }) => decay ** (deepest - (depths.get(name) ?? deepest));
}
