/** An optimiser applied to the parameters of one network, as given to executors. */

import type { Parameter } from "../ir/graph.ts";
import type * as z from "../schema.ts";
import { type Tensor, zeros } from "../tensor.ts";
import { type AverageConfig, averageScalars, averageSlot, averaging } from "./average.ts";
import { chainsOf, type UpdateStep } from "./chain.ts";
import { lookaheadScalars, lookaheadSchema, lookingAhead, slowSlot } from "./lookahead.ts";
import { type Optimizer, type OptimizerName, optimizers, type StepNumbers } from "./optimizers.ts";

/** A parameter that learns. */
export interface Learnt {
  readonly parameter: Parameter;
  /** Name of the graph's output with its gradient. */
  readonly gradient: string;
  /** Weight decay. */
  readonly decay: number;
  /** Factor on the learning rate. */
  readonly rate: number;
  /** Whether the optimiser treats it as a matrix. */
  readonly isMatrix: boolean;
  /** State tensors by slot, including the moving average if there is one. */
  readonly slots: ReadonlyMap<string, Tensor>;
}

export interface UpdateRule {
  readonly learnt: readonly Learnt[];
  /** Names of the state tensors of each parameter, including the moving average. */
  readonly slots: readonly string[];
  /** The update steps for parameters with this decay, as matrices or not. */
  chains(decay: number, isMatrix?: boolean): readonly UpdateStep[];
  /** The scalars that the chains use, for one step. */
  scalars(numbers: StepNumbers): Readonly<Record<string, number>>;
}

/** An optimiser with its settings; settings left out have their defaults. */
export type OptimizerConfig = {
  [K in OptimizerName]: { readonly name: K } & z.input<(typeof optimizers)[K]["config"]>;
}[OptimizerName] & {
  /** Lookahead around the optimiser; default: none. */
  readonly lookahead?: z.input<typeof lookaheadSchema>;
};

/** State tensors by slot, then by parameter. */
export type OptimizerState = ReadonlyMap<string, ReadonlyMap<string, Tensor>>;

/** State of an earlier run. The rule takes the tensors over. */
export interface RuleState {
  readonly optimizer?: OptimizerState | undefined;
  /** Moving averages by parameter. */
  readonly average?: ReadonlyMap<string, Tensor> | undefined;
}

export interface RuleOptions {
  readonly optimizer: OptimizerConfig;
  readonly parameters: readonly Parameter[];
  readonly gradientOf: (parameter: Parameter) => string;
  readonly decayOf: (parameter: Parameter) => number;
  /** Factor on the rate of each parameter; default: 1. */
  readonly rateOf?: ((parameter: Parameter) => number) | undefined;
  /**
   * Which parameters count as matrices, for optimisers that distinguish these; default: all with two or more
   * dimensions.
   */
  readonly isMatrix?: ((parameter: Parameter) => boolean) | undefined;
  /** State of an earlier run; default: fresh. */
  readonly state?: RuleState | undefined;
  /** Keep a moving average of the learnt parameters. */
  readonly average?: AverageConfig | undefined;
}

/** Builds the rule. @throws Fault (schema.ts) where a setting is out of range */
export function updateRule(options: RuleOptions): UpdateRule {
  const { optimizer, parameters, gradientOf, decayOf, rateOf = () => 1, state, average } = options;
  const { isMatrix = ({ type }: Parameter) => type.shape.length > 1 } = options;
  const { name, lookahead: ahead, ...settings } = optimizer;
  // Each row of the table has its own config type, and only gets its own config.
  const row = optimizers[name] as unknown as Optimizer;
  const config = row.config.parse(settings);
  const lookahead = ahead && lookaheadSchema.parse(ahead);
  const slots = Object.entries({
    ...row.slots(config),
    ...(lookahead && { [slowSlot]: 0 }),
    ...(average && { [averageSlot]: 0 }),
  });
  const fresh = ({ type }: Parameter, value: number): Tensor => {
    const tensor = zeros(type.dtype, type.shape);
    if (value !== 0) tensor.data.fill(value);
    return tensor;
  };
  return {
    slots: slots.map(([slot]) => slot),
    learnt: parameters.map((parameter) => ({
      parameter,
      gradient: gradientOf(parameter),
      decay: decayOf(parameter),
      rate: rateOf(parameter),
      isMatrix: row.knowsMatrices === true && isMatrix(parameter),
      slots: new Map(
        slots.map(([slot, value]) => {
          const earlier = slot === averageSlot ? state?.average : state?.optimizer?.get(slot);
          return [slot, earlier?.get(parameter.name) ?? fresh(parameter, value)];
        }),
      ),
    })),
    chains: (decay, isMatrix = false) =>
      chainsOf([
        ...row.formula(config, decay, isMatrix),
        ...(lookahead === undefined ? [] : lookingAhead),
        ...(average === undefined ? [] : averaging),
      ]),
    scalars: (numbers) => ({
      ...row.scalars(config, numbers),
      ...(lookahead && lookaheadScalars(lookahead, numbers.step)),
      ...(average && averageScalars(average, numbers.step)),
    }),
  };
}

/** The optimiser's state for saving; not a copy. */
export function stateOf(rule: UpdateRule): OptimizerState {
  const own = rule.slots.filter((slot) => slot !== averageSlot);
  return new Map(own.map((slot) => [slot, slotOf(rule, slot)]));
}

/** The moving averages by parameter, not a copy; empty if the rule keeps none. */
export const averageOf = (rule: UpdateRule): ReadonlyMap<string, Tensor> =>
  rule.slots.includes(averageSlot) ? slotOf(rule, averageSlot) : new Map();

const slotOf = ({ learnt }: UpdateRule, slot: string): ReadonlyMap<string, Tensor> =>
  new Map(learnt.map(({ parameter, slots }) => [parameter.name, slots.get(slot)!]));
