/** What is learnt of a training graph, and how. */

import { gradientOf } from "../autodiff/differentiate.ts";
import { type Graph, isTrainable, type Parameter } from "../ir/graph.ts";
import { type OptimizerConfig, type OptimizerState, type UpdateRule, updateRule } from "../optim/rule.ts";

export interface LearningOptions {
  /** Default: SGD. */
  readonly optimizer?: OptimizerConfig;
  /** Default: 5e-5, as training has it. */
  readonly weightDecay?: number;
  /** Decay biases and batch-norm parameters too; left out by default, as the authors did (docs/networks.md, 3.1). */
  readonly decayAll?: boolean;
  /** A factor for the learning rate of each parameter; default: 1. */
  readonly rateOf?: ((parameter: Parameter) => number) | undefined;
}

/**
 * The optimiser over all that a graph learns.
 * @param graph one with an output `gradient/NAME` for each trainable parameter
 * @param state of an earlier run; fresh without
 */
export function learningRule(
  graph: Graph,
  { optimizer = { name: "sgd" }, weightDecay = 5e-5, decayAll = false, rateOf }: LearningOptions = {},
  state?: OptimizerState,
): UpdateRule {
  return updateRule({
    optimizer,
    parameters: graph.parameters.filter(isTrainable),
    gradientOf: ({ name }) => gradientOf(name),
    decayOf: ({ role }) => (role === "weight" || decayAll ? weightDecay : 0),
    rateOf,
    state,
  });
}
