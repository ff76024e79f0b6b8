/** Which parameters of a training graph learn, and how. */

import { gradientOf } from "../autodiff/differentiate.ts";
import { configKey } from "../config-key.ts";
import { type Graph, isTrainable, type Parameter } from "../ir/graph.ts";
import type { AverageConfig } from "../optim/average.ts";
import { lookaheadSchema } from "../optim/lookahead.ts";
import { optimizerNames } from "../optim/optimizers.ts";
import { type OptimizerConfig, type RuleState, type UpdateRule, updateRule } from "../optim/rule.ts";
import * as z from "../schema.ts";

const positive = z.number().check(z.gt(0));
const fraction = z.number().check(z.gte(0), z.lt(1));
const roles = ["weight", "bias", "gamma", "beta"] as const;
export type DecayingRole = (typeof roles)[number];

/** The optimiser's settings, each under its own name; `null`: the optimiser's default. */
export const optimizerKeys = {
  optimizer: configKey(z._default(z.enum(optimizerNames), "sgd"), "how weights are updated"),
  /** For `sgd`, `muon`, `rmsprop` and `lars`. */
  momentum: configKey(z._default(fraction, 0.9), "of sgd, muon, rmsprop and lars"),
  /** For `sgd` and `muon`. */
  nesterov: configKey(z._default(z.boolean(), true), "plain momentum (sgd, muon)"),
  /**
   * For `sgd` and `lars`: the velocity includes the rate, as in Caffe and Chainer. This matters when the rate changes.
   */
  rateInVelocity: configKey(
    z._default(z.boolean(), false),
    "sgd, lars: keep the rate in the velocity, as Caffe and Chainer do",
  ),
  /** For `adamw`, `radam`, `lamb`, and the parameters that `muon` leaves to AdamW. */
  betas: configKey(
    z._default(z.nullable(z.tuple([fraction, fraction])), null),
    "adamw, radam, lamb, muon: decay of the means of gradients and squares; default: 0.9,0.999",
    { value: "b1,b2" },
  ),
  /** For `rmsprop`. */
  alpha: configKey(z._default(z.nullable(fraction), null), "rmsprop: decay of the mean of squares; default: 0.9"),
  /** For all but `sgd`. */
  eps: configKey(
    z._default(z.nullable(positive), null),
    "added to roots and norms; default: 1e-8 (adamw, radam, muon, lars), 1e-6 (lamb), 1e-3 (rmsprop)",
  ),
  /** For `lars`. */
  trustCoeff: configKey(
    z._default(z.nullable(positive), null),
    "lars: norm to which a layer's gradient is scaled, relative to its weights' norm; default: 0.001",
    { value: "part" },
  ),
  lookahead: configKey(
    z._default(z.boolean(), false),
    "regularly pull the weights back towards slow weights, which follow them (with radam: Ranger)",
  ),
  lookaheadSteps: configKey(lookaheadSchema.shape.steps, "steps between updates of the slow weights"),
  lookaheadAlpha: configKey(lookaheadSchema.shape.alpha, "how far the slow weights follow"),
  weightDecay: configKey(z._default(z.number().check(z.gte(0)), 5e-5), "pull of weights to zero"),
  /** The authors decayed only weights (docs/networks.md, 3.1); the ports differ. */
  decayOn: configKey(z._default(z.array(z.enum(roles)), ["weight"]), `what decays, of ${roles.join(", ")}`),
};

/** The weights of the first layer and of the classifier, whose rows or columns are not features. */
function endsOf({ nodes, inputs }: Graph): ReadonlySet<string> {
  const layers = nodes.filter(({ op }) => op === "conv2d" || op === "linear");
  const ends = layers.filter((node) => node.tag === "head" || inputs.includes(node.inputs[0]!));
  return new Set(ends.map((node) => node.inputs[1]!.name));
}

export interface LearningOptions {
  /** Default: SGD. */
  readonly optimizer?: OptimizerConfig;
  /** Default: 5e-5, as training has it. */
  readonly weightDecay?: number;
  /** Which parameters decay; default: weights, but not biases nor batch norm's gammas and betas, as the authors did. */
  readonly decayOn?: readonly DecayingRole[];
  /** A factor for the learning rate of each parameter; default: 1. */
  readonly rateOf?: ((parameter: Parameter) => number) | undefined;
  /** Keep a moving average of the weights; default: none. */
  readonly average?: AverageConfig | undefined;
}

/**
 * The update rule for all parameters that a graph learns.
 * @param graph a graph with an output `gradient/NAME` for each trainable parameter
 * @param state of an earlier run; fresh without
 */
export function learningRule(
  graph: Graph,
  { optimizer = { name: "sgd" }, weightDecay = 5e-5, decayOn = ["weight"], rateOf, average }: LearningOptions = {},
  state?: RuleState,
): UpdateRule {
  const decaying = new Set<string>(decayOn);
  const ends = endsOf(graph);
  return updateRule({
    optimizer,
    parameters: graph.parameters.filter(isTrainable),
    gradientOf: ({ name }) => gradientOf(name),
    decayOf: ({ role }) => (decaying.has(role) ? weightDecay : 0),
    rateOf,
    isMatrix: ({ type, ...parameter }) => type.shape.length > 1 && !ends.has(parameter.name),
    state,
    average,
  });
}
