/**
 * The little language in which optimisers are written: what a weight or a part of the optimiser's state becomes, element
 * by element. An engine never sees an expression but the chains that it is compiled to (chain.ts).
 */

/** A tensor by name, a constant, a number that differs from step to step, or what is made of these. */
export type Expression =
  | string
  | number
  | { readonly scalar: string }
  | { readonly op: "add"; readonly terms: readonly Expression[] }
  | { readonly op: "mul" | "div"; readonly a: Expression; readonly b: Expression }
  | { readonly op: "sqrt"; readonly a: Expression };

/**
 * The scalar `ratio` becomes `factor · ‖of‖ / (‖to‖ + part · ‖of‖ + eps)` of each parameter by itself, 1 where one of the
 * two lengths is 0.
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

/** What is left to do after a gradient has come, in order. */
export type Assignment =
  | { readonly set: string; readonly to: Expression }
  | Ratio
  /** A tensor becomes an orthogonal matrix that is near to it (orthogonal.ts), each parameter as `[O, rest]` by itself. */
  | { readonly orthogonal: string; readonly rms: number };

export const scalar = (name: string): Expression => ({ scalar: name });
export const add = (...terms: readonly Expression[]): Expression => ({ op: "add", terms });
export const mul = (a: Expression, b: Expression): Expression => ({ op: "mul", a, b });
export const div = (a: Expression, b: Expression): Expression => ({ op: "div", a, b });
export const sqrt = (a: Expression): Expression => ({ op: "sqrt", a });
export const set = (target: string, to: Expression): Assignment => ({ set: target, to });
