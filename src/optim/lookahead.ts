/**
 * Lookahead (Zhang et al., arXiv 1907.08610) around any optimiser, as in timm: every `steps` steps, slow weights move
 * by a fraction `alpha` towards the weights, which then continue from there. Slow weights start as the weights at the
 * first such step. The engine keeps them as an extra slot.
 */

import * as z from "../schema.ts";
import { type Assignment, add, mul, scalar, set } from "./expression.ts";

export const lookaheadSchema = z.object({
  /** Steps between two synchronisations. */
  steps: z._default(z.int().check(z.gt(0)), 6),
  /** The fraction by which slow weights move. */
  alpha: z._default(z.number().check(z.gt(0), z.lte(1)), 0.5),
});

export type Lookahead = z.output<typeof lookaheadSchema>;

/** Name of the slot. */
export const slowSlot = "slow";

/** The assignments after the update of `weight`; at most steps both scalars are 0. */
export const lookingAhead: readonly Assignment[] = [
  set(slowSlot, add(slowSlot, mul(scalar("slowPull"), add("weight", mul(-1, slowSlot))))),
  set("weight", add("weight", mul(scalar("weightPull"), add(slowSlot, mul(-1, "weight"))))),
];

/** @param step number of updates before this one */
export function lookaheadScalars({ steps, alpha }: Lookahead, step: number): Readonly<Record<string, number>> {
  const meets = (step + 1) % steps === 0;
  return { slowPull: meets ? (step + 1 === steps ? 1 : alpha) : 0, weightPull: meets ? 1 : 0 };
}
