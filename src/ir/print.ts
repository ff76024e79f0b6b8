/** A graph as stable text, for tests and people. */

import { formatType, type Graph, type Node, type Value } from "./graph.ts";

const formatAttribute = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  return `{${Object.entries(value)
    .map(([key, part]) => `${key}: ${formatAttribute(part)}`)
    .join(", ")}}`;
};

/** `y: float32[2, 8] = linear(x, w)`, followed by the attributes in braces. */
export function printOperation(outputs: readonly Value[], op: string, inputs: readonly Value[], attrs: object): string {
  const made = outputs.map((value) => `${value.name}: ${formatType(value.type)}`).join(", ");
  const read = inputs.map((value) => value.name).join(", ");
  const attributes = Object.entries(attrs).map(([key, value]) => `${key}: ${formatAttribute(value)}`);
  return `${made} = ${op}(${read})${attributes.length > 0 ? ` {${attributes.join(", ")}}` : ""}`;
}

/** `layer1.0.se.gate: float32[1, 64, 1, 1] = sigmoid(layer1.0.se.fc2) @layer1.0 #se.gate`; block and tag come last. */
function printNode({ outputs, op, inputs, attrs, block, tag }: Node): string {
  const place = [block && ` @${block.name}`, tag && ` #${tag}`].filter(Boolean).join("");
  return printOperation(outputs, op, inputs, attrs) + place;
}

/**
 * The graph as text, one line per value, in order; equal graphs give equal texts.
 * @param nodes the lines of the nodes, if an engine has replaced them
 */
export function printGraph(graph: Graph, nodes: readonly string[] = graph.nodes.map(printNode)): string {
  const declare = (kind: string) => (value: Value) => `  ${kind} ${value.name}: ${formatType(value.type)}`;
  return [
    `graph ${graph.name} {`,
    ...graph.inputs.map(declare("input")),
    ...graph.parameters.map((parameter) =>
      declare(parameter.frozen ? `frozen ${parameter.role}` : parameter.role)(parameter),
    ),
    ...nodes.map((node) => `  ${node}`),
    ...[...graph.outputs].map(([name, value]) => `  output ${name} = ${value.name}`),
    ...[...graph.updates].map(([parameter, value]) => `  update ${parameter.name} = ${value.name}`),
    "}",
  ].join("\n");
}
