/**
 * The small language in which optimisers are written: element-wise formulas for weights and optimiser state. Engines
 * only see the chains that formulas are compiled to (chain.ts).
 */

/** A tensor by name, a constant, a scalar that may differ at each step, or an operation on these. */
export type Expression =
  | string
  | number
  | { readonly scalar: string }
  | { readonly op: "add"; readonly terms: readonly Expression[] }
  | { readonly op: "mul" | "div"; readonly a: Expression; readonly b: Expression }
  | { readonly op: "sqrt"; readonly a: Expression };

/**
 * Sets the scalar `ratio` of each parameter to `factor · ‖of‖ / (‖to‖ + part · ‖of‖ + eps)`, or to 1 if one of the
 * norms is 0.
 */
export interface Ratio {
  readonly ratio: string;
  readonly of: string;
  readonly to: string;
  /** Default: 1. */
  readonly factor?: number;
  /** Default: 0. */
  readonly part?: number;
  /** Default: 0. */
  readonly eps?: number;
}

/** One instruction of an optimiser's formula. */
export type Assignment =
  | { readonly set: string; readonly to: Expression }
  | Ratio
  /** Replaces each parameter's tensor, as a matrix `[O, rest]`, by a nearby orthogonal one (orthogonal.ts). */
  | { readonly orthogonal: string; readonly rms: number };

export const scalar = (name: string): Expression => ({ scalar: name });
export const add = (...terms: readonly Expression[]): Expression => ({ op: "add", terms });
export const mul = (a: Expression, b: Expression): Expression => ({ op: "mul", a, b });
export const div = (a: Expression, b: Expression): Expression => ({ op: "div", a, b });
export const sqrt = (a: Expression): Expression => ({ op: "sqrt", a });
export const set = (target: string, to: Expression): Assignment => ({ set: target, to });
