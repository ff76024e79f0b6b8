/** Removes the nodes and parameters that no output and no update depends on. */

import type { Graph, Value } from "../ir/graph.ts";
import { liveNodes, resultsOf } from "../ir/uses.ts";
import type { Program } from "./program.ts";

export function removeDead({ graph, weights }: Program): Program {
  const nodes = liveNodes(graph);
  const read = new Set<Value>([...nodes.flatMap(({ inputs }) => inputs), ...resultsOf(graph), ...graph.updates.keys()]);
  const parameters = graph.parameters.filter((parameter) => read.has(parameter));
  const pruned: Graph = { ...graph, nodes, parameters };
  // Missing weights are reported when the graph is compiled.
  const kept = parameters.flatMap(({ name }) => {
    const weight = weights.get(name);
    return weight === undefined ? [] : [[name, weight] as const];
  });
  return { graph: pruned, weights: new Map(kept) };
}
