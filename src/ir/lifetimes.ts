/** Lifetimes of values. */

import type { Graph, Value } from "./graph.ts";
import { resultsOf } from "./uses.ts";

/**
 * For each node, the values that are dead after it: those whose last use it is, and its own unused outputs. The graph's
 * results never die.
 */
export function deadAfter(graph: Graph): readonly (readonly Value[])[] {
  const last = new Map<Value, number>();
  for (const [i, node] of graph.nodes.entries()) {
    for (const value of [...node.outputs, ...node.inputs]) last.set(value, i);
  }
  for (const value of resultsOf(graph)) last.delete(value);
  const dead: Value[][] = graph.nodes.map(() => []);
  for (const [value, i] of last) dead[i]!.push(value);
  return dead;
}
