/** From a graph that computes a loss to one that also computes its gradients. */

import { SenetError } from "../errors.ts";
import { GraphBuilder } from "../ir/builder.ts";
import { type AnyNode, type Graph, isTrainable, type Value } from "../ir/graph.ts";
import { inputGradients } from "./vjp.ts";

/** The name of the output that holds a parameter's gradient. */
export const gradientOf = (parameter: string): string => `gradient/${parameter}`;

/**
 * Adds the backward pass of the scalar output `loss`: an output `gradient/NAME` for each trainable parameter.
 *
 * Reverse mode: walk the nodes backwards, and hand each node's output gradient to its inputs by the operation's rule;
 * a value that several nodes use gets the sum. Gradients of inputs that nothing trainable stands behind are left out.
 * @throws SenetError `graph` where the loss is missing, not a scalar, or passes through an operation without a gradient.
 */
export function differentiate(graph: Graph, loss = "loss"): Graph {
  const lossValue = graph.outputs.get(loss);
  if (lossValue === undefined || lossValue.type.shape.length > 0) {
    throw new SenetError("graph", `there is no scalar output "${loss}" to differentiate`, {
      where: graph.name,
      found: [...graph.outputs.keys()].join(", "),
    });
  }
  const trainable = graph.parameters.filter(isTrainable);
  const needed = dependents(graph, trainable);
  const builder = GraphBuilder.from(graph);
  const gradients = new Map<Value, Value>();

  const { dtype, shape } = lossValue.type;
  gradients.set(lossValue, builder.apply("fill", `${lossValue.name}.backward.one`, [], { value: 1, shape, dtype }));

  for (const node of graph.nodes.toReversed()) {
    const dy = outputGradient(node, gradients);
    if (dy === undefined) continue;
    const inputs = inputGradients(builder, node, dy, (input) => needed.has(input));
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

  for (const parameter of trainable) {
    const { dtype, shape } = parameter.type;
    const gradient =
      gradients.get(parameter) ??
      // The loss does not depend on it.
      builder.apply("fill", `${parameter.name}.backward.zero`, [], { value: 0, shape, dtype });
    builder.output(gradientOf(parameter.name), gradient);
  }
  return builder.build();
}

/** All values that depend on one of `roots`, these included. */
function dependents(graph: Graph, roots: readonly Value[]): ReadonlySet<Value> {
  const found = new Set(roots);
  for (const node of graph.nodes) {
    if (node.inputs.some((input) => found.has(input))) for (const output of node.outputs) found.add(output);
  }
  return found;
}

/** The gradient of a node's one differentiable output, its first. */
function outputGradient(node: AnyNode, gradients: ReadonlyMap<Value, Value>): Value | undefined {
  if (node.outputs.slice(1).some((output) => gradients.has(output))) {
    throw new SenetError("graph", "a statistic is used where a gradient flows", { where: `${node.name} (${node.op})` });
  }
  return gradients.get(node.outputs[0]!);
}
