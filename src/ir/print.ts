/** The stable text of a graph: what tests and people read. */

import { formatType, type Graph, type Node, type Value } from "./graph.ts";

const formatAttribute = (value: unknown): string => (Array.isArray(value) ? `[${value.join(", ")}]` : String(value));

/** `layer1.0.conv1: float32[1, 64, 56, 56] = conv2d(x, layer1.0.conv1.weight) {stride: 1, pad: 1, groups: 1}` */
export function printNode(node: Node): string {
  const outputs = node.outputs.map((value) => `${value.name}: ${formatType(value.type)}`).join(", ");
  const inputs = node.inputs.map((value) => value.name).join(", ");
  const attributes = Object.entries(node.attrs).map(([key, value]) => `${key}: ${formatAttribute(value)}`);
  return `${outputs} = ${node.op}(${inputs})${attributes.length > 0 ? ` {${attributes.join(", ")}}` : ""}`;
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
