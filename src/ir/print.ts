/** The stable text of a graph: what tests and people read. */

import { formatType, type Graph, type Node, type Value } from "./graph.ts";

const formatAttribute = (value: unknown): string => (Array.isArray(value) ? `[${value.join(", ")}]` : String(value));

/** `layer1.0.se.gate: float32[1, 64, 1, 1] = sigmoid(layer1.0.se.fc2) @layer1.0 #se.gate`: the block and the tag come last. */
export function printNode(node: Node): string {
  const outputs = node.outputs.map((value) => `${value.name}: ${formatType(value.type)}`).join(", ");
  const inputs = node.inputs.map((value) => value.name).join(", ");
  const attributes = Object.entries(node.attrs).map(([key, value]) => `${key}: ${formatAttribute(value)}`);
  const place = [node.block && ` @${node.block.name}`, node.tag && ` #${node.tag}`].filter(Boolean).join("");
  return `${outputs} = ${node.op}(${inputs})${attributes.length > 0 ? ` {${attributes.join(", ")}}` : ""}${place}`;
}

/** One line a value, in order; equal graphs print equally. */
export function printGraph(graph: Graph): string {
  const declare = (kind: string) => (value: Value) => `  ${kind} ${value.name}: ${formatType(value.type)}`;
  return [
    `graph ${graph.name} {`,
    ...graph.inputs.map(declare("input")),
    ...graph.parameters.map((parameter) => declare(parameter.role)(parameter)),
    ...graph.nodes.map((node) => `  ${printNode(node)}`),
    ...[...graph.outputs].map(([name, value]) => `  output ${name} = ${value.name}`),
    ...[...graph.updates].map(([parameter, value]) => `  update ${parameter.name} = ${value.name}`),
    "}",
  ].join("\n");
}
