/** An optimiser over the parameters of one network: what an executor is given to train with. */

import type { Parameter } from "../ir/graph.ts";
import type * as z from "../schema.ts";
import { type Tensor, zeros } from "../tensor.ts";
import { type AverageConfig, averageScalars, averageSlot, averaging } from "./average.ts";
import { chainsOf, type UpdateStep } from "./chain.ts";
import { lookaheadScalars, lookaheadSchema, lookingAhead, slowSlot } from "./lookahead.ts";
import { type Optimizer, type OptimizerName, optimizers, type StepNumbers } from "./optimizers.ts";

/** A parameter that is learnt. */
export interface Learnt {
  readonly parameter: Parameter;
  /** The graph's output that holds its gradient. */
  readonly gradient: string;
  /** Weight decay. */
  readonly decay: number;
  /** Of the learning rate: 1, or another factor. */
  readonly rate: number;
  /** Whether it is learnt as a matrix, by an optimiser that knows these. */
  readonly isMatrix: boolean;
  /** The optimiser's state, and the weight's moving average where one is kept, by slot. */
  readonly slots: ReadonlyMap<string, Tensor>;
}

export interface UpdateRule {
  readonly learnt: readonly Learnt[];
  /** The names of the tensors kept for each parameter, of the moving average too. */
  readonly slots: readonly string[];
  /** What is to be run when gradients are there, for parameters of this decay, matrices or others. */
  chains(decay: number, isMatrix?: boolean): readonly UpdateStep[];
  /** The numbers that chains have by name, for one step. */
  scalars(numbers: StepNumbers): Readonly<Record<string, number>>;
}

/** What is set of an optimiser; what is left out has its default. */
export type OptimizerConfig = {
  [K in OptimizerName]: { readonly name: K } & z.input<(typeof optimizers)[K]["config"]>;
}[OptimizerName] & {
  /** Around whichever it is; default: none. */
  readonly lookahead?: z.input<typeof lookaheadSchema>;
};

/** State by slot, then by parameter. */
export type OptimizerState = ReadonlyMap<string, ReadonlyMap<string, Tensor>>;

/** What an earlier run left. The tensors become the rule's own. */
export interface RuleState {
  readonly optimizer?: OptimizerState | undefined;
  /** The moving averages, by parameter. */
  readonly average?: ReadonlyMap<string, Tensor> | undefined;
}

export interface RuleOptions {
  readonly optimizer: OptimizerConfig;
  readonly parameters: readonly Parameter[];
  readonly gradientOf: (parameter: Parameter) => string;
  readonly decayOf: (parameter: Parameter) => number;
  /** A factor for the rate of each parameter; default: 1. */
  readonly rateOf?: ((parameter: Parameter) => number) | undefined;
  /** Which are learnt as matrices, by an optimiser that knows these; default: all of two and more extents. */
  readonly isMatrix?: ((parameter: Parameter) => boolean) | undefined;
  /** Of an earlier run; fresh without. */
  readonly state?: RuleState | undefined;
  /** Keeps a moving average of what is learnt. */
  readonly average?: AverageConfig | undefined;
}

/** @throws Fault (schema.ts) where a setting is out of its range */
export function updateRule(options: RuleOptions): UpdateRule {
  const { optimizer, parameters, gradientOf, decayOf, rateOf = () => 1, state, average } = options;
  const { isMatrix = ({ type }: Parameter) => type.shape.length > 1 } = options;
  const { name, lookahead: ahead, ...settings } = optimizer;
  // The table's rows have configs of their own, and each is handed to its own row only.
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

/** The optimiser's state, to be saved: the tensors themselves. */
export function stateOf(rule: UpdateRule): OptimizerState {
  const own = rule.slots.filter((slot) => slot !== averageSlot);
  return new Map(own.map((slot) => [slot, slotOf(rule, slot)]));
}

/** The moving averages by parameter: the tensors themselves; none where the rule keeps none. */
export const averageOf = (rule: UpdateRule): ReadonlyMap<string, Tensor> =>
  rule.slots.includes(averageSlot) ? slotOf(rule, averageSlot) : new Map();

const slotOf = ({ learnt }: UpdateRule, slot: string): ReadonlyMap<string, Tensor> =>
  new Map(learnt.map(({ parameter, slots }) => [parameter.name, slots.get(slot)!]));
