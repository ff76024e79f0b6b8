/** Removes the nodes and parameters that no output and no update depends on. */

import type { Graph, Value } from "../ir/graph.ts";
import type { Program } from "./program.ts";

export function removeDead({ graph, weights }: Program): Program {
  const live = new Set<Value>([...graph.outputs.values(), ...graph.updates.values(), ...graph.updates.keys()]);
  const nodes = graph.nodes
    .toReversed()
    .filter((node) => {
      if (!node.outputs.some((output) => live.has(output))) return false;
      for (const input of node.inputs) live.add(input);
      return true;
    })
    .reverse();
  const parameters = graph.parameters.filter((parameter) => live.has(parameter));
  const pruned: Graph = { ...graph, nodes, parameters };
  return { graph: pruned, weights: new Map(parameters.map(({ name }) => [name, weights.get(name)!])) };
}
