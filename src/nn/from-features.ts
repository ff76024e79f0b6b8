/** The head of a network on its own, for pictures whose features are already known. */

import { SenetError } from "../errors.ts";
import type { AnyNode, Graph, Value } from "../ir/graph.ts";
import { liveNodes, resultsOf } from "../ir/uses.ts";
import { verify } from "../ir/verify.ts";

/** The classifier's input, `[N, features]`. @throws SenetError `usage` where the graph does not mark it */
export function featuresIn(graph: Graph): Value {
  const value = graph.nodes.find(({ tag }) => tag === "features")?.outputs[0];
  if (value !== undefined) return value;
  throw new SenetError("usage", "it is not known where in this network its classifier begins", {
    where: graph.name,
    hint: 'of a network of your own, build what the classifier sees in scope.tagged("features")',
  });
}

/**
 * The graph from the features on: `input` then takes features instead of pictures; earlier nodes and their parameters
 * are removed.
 */
export function fromFeatures(graph: Graph, input: string): Graph {
  const features = featuresIn(graph);
  const given: Value = { name: input, type: features.type };
  const now = (value: Value) => (value === features ? given : value);
  const renewed = graph.nodes
    .filter(({ outputs }) => !outputs.includes(features))
    .map((node) => ({ ...node, inputs: node.inputs.map(now) }) as AnyNode);
  const whole = { ...graph, nodes: renewed, updates: new Map() };
  const nodes = liveNodes(whole);
  const read = new Set([...nodes.flatMap(({ inputs }) => inputs), ...resultsOf(whole)]);
  const head: Graph = {
    ...whole,
    inputs: graph.inputs.flatMap((value) => (value.name === input ? [given] : read.has(value) ? [value] : [])),
    parameters: graph.parameters.filter((parameter) => read.has(parameter)),
    nodes,
  };
  verify(head, "from its features on");
  return head;
}
