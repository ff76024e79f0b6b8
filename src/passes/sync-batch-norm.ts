/** Synchronises batch norm over several processes. */

import type { AnyNode, Graph } from "../ir/graph.ts";
import { GraphUses } from "../ir/uses.ts";
import { sizeOf } from "../tensor.ts";

/**
 * @param graph the graph for one process's part of the batch, without gradients
 * @param ranks number of processes that share the batch equally
 */
export function synchroniseBatchNorm(graph: Graph, ranks: number): Graph {
  const uses = new GraphUses(graph);
  const changed = (node: AnyNode): AnyNode => {
    if (node.op === "batchNormTraining") return { ...node, attrs: { ...node.attrs, ranks } };
    if (node.op !== "runningAverage" || node.attrs.scale === 1) return node;
    const norm = uses.maker(node.inputs[1]!, "batchNormTraining");
    if (norm === undefined) return node;
    // The variance is scaled by n / (n − 1), where n counts a channel's values in all processes.
    const [batch, , ...positions] = norm.inputs[0]!.type.shape as [number, number, ...number[]];
    const numbers = ranks * batch * sizeOf(positions);
    return { ...node, attrs: { ...node.attrs, scale: numbers / (numbers - 1) } };
  };
  return { ...graph, nodes: graph.nodes.map(changed) };
}
