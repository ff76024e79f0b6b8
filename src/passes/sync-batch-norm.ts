/** Batch norm over the batches of several processes. */

import type { AnyNode, Graph } from "../ir/graph.ts";
import { GraphUses } from "../ir/uses.ts";
import { sizeOf } from "../tensor.ts";

/**
 * @param graph of one process's part of the batch, without gradients
 * @param ranks how many processes share the batch, with as many pictures each
 */
export function synchroniseBatchNorm(graph: Graph, ranks: number): Graph {
  const uses = new GraphUses(graph);
  const changed = (node: AnyNode): AnyNode => {
    if (node.op === "batchNormTraining") return { ...node, attrs: { ...node.attrs, ranks } };
    if (node.op !== "runningAverage" || node.attrs.scale === 1) return node;
    const norm = uses.maker(node.inputs[1]!, "batchNormTraining");
    if (norm === undefined) return node;
    // Of the variance: n / (n − 1) of all numbers of a channel.
    const [batch, , ...positions] = norm.inputs[0]!.type.shape as [number, number, ...number[]];
    const numbers = ranks * batch * sizeOf(positions);
    return { ...node, attrs: { ...node.attrs, scale: numbers / (numbers - 1) } };
  };
  return { ...graph, nodes: graph.nodes.map(changed) };
}
