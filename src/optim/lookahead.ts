/**
 * Lookahead (Zhang et al., arXiv 1907.08610) around any optimiser, as timm has it: after every so many steps a slow copy of
 * the weights goes a part of the way to where they are, and they go on from there. It begins with the weights of the first
 * such step. One more slot, kept by the engine.
 */

import * as z from "../schema.ts";
import { type Assignment, add, mul, scalar, set } from "./expression.ts";

export const lookaheadSchema = z.object({
  /** Steps from one meeting to the next. */
  steps: z._default(z.int().check(z.gt(0)), 6),
  /** The part of the way that the slow copy goes. */
  alpha: z._default(z.number().check(z.gt(0), z.lte(1)), 0.5),
});

export type Lookahead = z.output<typeof lookaheadSchema>;

/** The slot. */
export const slowSlot = "slow";

/** What follows the update of `weight`; in most steps both numbers are 0. */
export const lookingAhead: readonly Assignment[] = [
  set(slowSlot, add(slowSlot, mul(scalar("slowPull"), add("weight", mul(-1, slowSlot))))),
  set("weight", add("weight", mul(scalar("weightPull"), add(slowSlot, mul(-1, "weight"))))),
];

/** @param step updates before this one */
export function lookaheadScalars({ steps, alpha }: Lookahead, step: number): Readonly<Record<string, number>> {
  const meets = (step + 1) % steps === 0;
  return { slowPull: meets ? (step + 1 === steps ? 1 : alpha) : 0, weightPull: meets ? 1 : 0 };
}
