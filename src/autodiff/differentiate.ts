/** Adds to a graph the gradients of one of its outputs. */

import { SenetError } from "../errors.ts";
import { GraphBuilder } from "../ir/builder.ts";
import { type AnyNode, formatType, type Graph, isTrainable, type Value } from "../ir/graph.ts";
import { sameType } from "../ir/verify.ts";
import { inputGradients, type VjpRules, vjpRules } from "./vjp.ts";

/** The name of the output that holds the gradient of a parameter or an input. */
export const gradientOf = (name: string): string => `gradient/${name}`;

export interface DifferentiateOptions {
  /** The output to differentiate; default: `loss`. */
  readonly of?: string;
  /** Parameters and inputs to differentiate by; default: every parameter that learns. */
  readonly wrt?: readonly Value[];
  /**
   * An input of the graph with the incoming gradient, of the same type as `of`: the result is then the gradient of the
   * sum of `of · seed`. Without it, `of` must be a scalar, and its gradient is `incoming`.
   */
  readonly seed?: Value;
  /** The gradient of `of`, a factor on all gradients that costs nothing; default 1. */
  readonly incoming?: number;
  /** The reverse rules; tests replace them. */
  readonly rules?: VjpRules;
}

/**
 * Adds the backward pass of one output, with an output `gradient/NAME` for each parameter or input of `wrt`.
 *
 * Reverse mode: walks the nodes backwards and passes each node's output gradient to its inputs by the operation's rule;
 * a value used by several nodes gets the sum. Gradients that `wrt` does not need are left out.
 * @throws SenetError `graph` where the output is missing, is not a scalar and has no seed, or passes through an
 * operation without a gradient
 */
export function differentiate(graph: Graph, options: DifferentiateOptions = {}): Graph {
  const { of = "loss", wrt = graph.parameters.filter(isTrainable), seed, incoming = 1, rules = vjpRules } = options;
  const builder = GraphBuilder.from(graph);
  const root = graph.outputs.get(of);
  if (root === undefined || (seed === undefined && root.type.shape.length > 0)) {
    throw new SenetError("graph", `there is no scalar output "${of}" to differentiate`, {
      where: graph.name,
      found: [...graph.outputs].map(([name, { type }]) => `${name}: ${formatType(type)}`).join(", "),
    });
  }
  if (seed !== undefined && !(graph.inputs.includes(seed) && sameType(seed.type, root.type))) {
    throw new SenetError("graph", `"${seed.name}" cannot be the gradient of "${of}"`, {
      where: graph.name,
      expected: `an input of the graph of type ${formatType(root.type)}`,
      found: formatType(seed.type),
    });
  }
  const needed = dependents(graph, wrt);
  const gradients = new Map<Value, Value>();
  const { dtype, shape } = root.type;
  const first = `${root.name}.backward.${incoming === 1 ? "one" : "incoming"}`;
  gradients.set(root, seed ?? builder.apply("fill", first, [], { value: incoming, shape, dtype }));

  for (const node of graph.nodes.toReversed()) {
    const dy = outputGradient(node, gradients);
    if (dy === undefined) continue;
    if (!node.inputs.some((input) => needed.has(input))) continue;
    const inputs = inputGradients(builder, node, dy, (input) => needed.has(input), rules);
    if (inputs === undefined) {
      throw new SenetError("graph", `${node.op} has no gradient`, {
        where: node.name,
        hint: "build the graph for training (batch norm by the batch's statistics)",
      });
    }
    node.inputs.forEach((input, i) => {
      const gradient = inputs[i];
      if (gradient === undefined || !needed.has(input)) return;
      const sum = gradients.get(input);
      const name = `${node.name}.backward.sum${i}`;
      gradients.set(input, sum === undefined ? gradient : builder.apply("add", name, [sum, gradient], {}));
    });
  }

  for (const value of wrt) {
    const { dtype, shape } = value.type;
    const gradient =
      gradients.get(value) ??
      // The output does not depend on this value.
      builder.apply("fill", `${value.name}.backward.zero`, [], { value: 0, shape, dtype });
    builder.output(gradientOf(value.name), gradient);
  }
  return builder.build();
}

/** All values that depend on one of `roots`, including `roots`. */
function dependents(graph: Graph, roots: readonly Value[]): ReadonlySet<Value> {
  const found = new Set(roots);
  for (const node of graph.nodes) {
    if (node.inputs.some((input) => found.has(input))) for (const output of node.outputs) found.add(output);
  }
  return found;
}

/** The gradient of a node's only differentiable output, the first. */
function outputGradient(node: AnyNode, gradients: ReadonlyMap<Value, Value>): Value | undefined {
  if (node.outputs.slice(1).some((output) => gradients.has(output))) {
    throw new SenetError("graph", "a statistic is used where a gradient flows", { where: `${node.name} (${node.op})` });
  }
  return gradients.get(node.outputs[0]!);
}
