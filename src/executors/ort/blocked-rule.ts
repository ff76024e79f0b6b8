/** The form of a rule for blocked activations (lower-blocked.ts), and what several of them compute. */

import type { Node, Value } from "../../ir/graph.ts";
import type { Op } from "../../ir/ops.ts";
import { type Convolution, type Expression, extentsOf, type Vector } from "./blocked-values.ts";
import type { Blocks } from "./blocks.ts";
import type { Lowering } from "./rules.ts";

/** A blocked result is an expression or a convolution; a plain one is a name. */
export type Result = Expression | Convolution | string | undefined;
/** Undefined if the plain rule applies. */
export type BlockedRule<K extends Op> = (b: Blocks, l: Lowering, node: Node<K>) => readonly Result[] | undefined;

/** Rules of some operations. */
export type BlockedRules<K extends Op = Op> = { readonly [One in K]: BlockedRule<One> };

/** A vector `[1,C]`, times a number, as a value `[C]`. */
export function channelVector({ emit }: Lowering, { name }: Vector, factor = 1): string {
  const product = factor === 1 ? name : emit.node("Mul", [name, emit.float(factor)]);
  return emit.node("Reshape", [product, emit.ints(-1)]);
}

/** A value as `scale·base + shift`. */
export function affine(b: Blocks, value: Value): Expression & { readonly base: string } {
  const { base, plus, ...rest } = b.expression(value);
  return base === undefined || plus !== undefined ? { base: b.dense(value) } : { base, ...rest };
}

/** A value as `scale·base` with one factor for each channel. */
export function scaled(b: Blocks, value: Value): { readonly base: string; readonly scale: Vector | undefined } {
  const { base, scale, shift } = affine(b, value);
  return shift !== undefined || scale?.perSample ? { base: b.dense(value), scale: undefined } : { base, scale };
}

/** The mean over the pixels of each sample's channel. */
export function meanOf(b: Blocks, value: Value): Vector {
  const held = b.expression(value);
  if (held.base === undefined && held.plus === undefined) return held.shift!;
  const { base, scale, shift } = affine(b, value);
  return b.add(b.multiply({ name: b.mean(base, extentsOf(value)), perSample: true }, scale), shift);
}

/** The mean of a value times a blocked tensor, over the pixels of each sample's channel. */
export function meanProductOf(b: Blocks, value: Value, factor: string): Vector {
  const extents = extentsOf(value);
  const { base, scale, shift } = affine(b, value);
  const product = b.multiply({ name: b.meanProduct(base, factor, extents), perSample: true }, scale);
  if (shift === undefined) return product;
  return b.add(product, b.multiply({ name: b.mean(factor, extents), perSample: true }, shift));
}
