/**
 * Compiles expressions to chains. A chain is one pass over memory: it starts with a tensor and applies steps to each
 * element before writing it. oneDNN has this as a primitive with post-operations.
 */

import type { Assignment, Expression, Ratio } from "./expression.ts";

export type ChainStep =
  | { readonly kind: "add" | "mul" | "div"; readonly operand: string }
  /** Multiplies by a number that may differ at each training step. */
  | { readonly kind: "scale"; readonly scalar: string }
  /** `alpha · x + beta` */
  | { readonly kind: "linear"; readonly alpha: number; readonly beta: number }
  | { readonly kind: "sqrt" }
  /** Adds `scale` times the target's old value; always the last step. */
  | { readonly kind: "sum"; readonly scale: number };

/** `target ← steps(start)` */
export interface Chain {
  readonly target: string;
  readonly start: string;
  readonly steps: readonly ChainStep[];
}

export type Orthogonalise = Extract<Assignment, { orthogonal: string }>;

/** The steps of an update: chains over all parameters, and operations on each parameter as a whole. */
export type UpdateStep = Chain | Ratio | Orthogonalise;

/** Compiles a formula to update steps. Tensors named `scratch…` are temporary. */
export function chainsOf(formula: readonly Assignment[]): readonly UpdateStep[] {
  const done: UpdateStep[] = [];
  for (const assignment of formula) {
    if (!("set" in assignment)) done.push(assignment);
    else new Compiler(assignment.set, done).assign(assignment.to);
  }
  return done;
}

/** An unfinished chain. */
interface Open {
  readonly start: string;
  readonly steps: ChainStep[];
}

/** `coefficient · expression` */
interface Term {
  readonly coefficient: number;
  readonly of: Expression;
}

class Compiler {
  readonly #target: string;
  readonly #done: UpdateStep[];
  #scratches = 0;

  constructor(target: string, done: UpdateStep[]) {
    this.#target = target;
    this.#done = done;
  }

  assign(expression: Expression): void {
    const terms = termsOf(expression);
    const own = terms.filter(({ of }) => of === this.#target).reduce((sum, { coefficient }) => sum + coefficient, 0);
    const others = terms.filter(({ of }) => of !== this.#target);
    // Only the target itself times a number.
    if (others.length === 0) this.#finish({ start: this.#target, steps: linear(own, 0) }, this.#target);
    else {
      const chain = this.#sum(others);
      if (own !== 0) chain.steps.push({ kind: "sum", scale: own });
      this.#finish(chain, this.#target);
    }
  }

  #finish({ start, steps }: Open, target: string): void {
    this.#done.push({ target, start, steps });
  }

  #open(expression: Expression): Open {
    if (typeof expression === "string") return { start: expression, steps: [] };
    if (typeof expression === "number" || "scalar" in expression) throw new Error("a chain begins with a tensor");
    switch (expression.op) {
      case "add":
        return this.#sum(termsOf(expression));
      case "sqrt": {
        const chain = this.#open(expression.a);
        chain.steps.push({ kind: "sqrt" });
        return chain;
      }
      case "mul": {
        const [a, b] = isNumber(expression.a) ? [expression.b, expression.a] : [expression.a, expression.b];
        if (typeof a === "string" && typeof b !== "string" && !isNumber(b)) return this.#times("mul", b, a);
        return this.#times("mul", a, b);
      }
      case "div":
        return this.#times("div", expression.a, expression.b);
    }
  }

  #times(kind: "mul" | "div", a: Expression, b: Expression): Open {
    // Computed before the chain is opened, since it must exist when the chain runs.
    const operand = isNumber(b) ? undefined : this.#tensor(b);
    const chain = this.#open(a);
    if (operand !== undefined) chain.steps.push({ kind, operand });
    else if (typeof b === "number") chain.steps.push(...linear(kind === "mul" ? b : 1 / b, 0));
    else if (kind === "mul") chain.steps.push({ kind: "scale", scalar: (b as { scalar: string }).scalar });
    else throw new Error("a formula divides by tensors and constants only");
    return chain;
  }

  /** Horner's scheme: adds each tensor when the partial sum has its coefficient. */
  #sum(terms: readonly Term[]): Open {
    const constant = terms.filter(({ of }) => of === 1).reduce((sum, { coefficient }) => sum + coefficient, 0);
    const tensors = terms.filter(({ of, coefficient }) => of !== 1 && coefficient !== 0);
    // Terms to be computed come first, coefficients of 1 last.
    const rank = ({ of, coefficient }: Term) => (typeof of !== "string" ? 0 : coefficient !== 1 ? 1 : 2);
    const [first, ...rest] = tensors.toSorted((a, b) => rank(a) - rank(b));
    if (first === undefined) throw new Error("a chain begins with a tensor");
    const operands = rest.map(({ of, coefficient }) => ({ operand: this.#tensor(of), coefficient }));
    const chain = this.#open(first.of);
    let { coefficient } = first;
    for (const { operand, coefficient: next } of operands) {
      chain.steps.push(...linear(coefficient / next, 0), { kind: "add", operand });
      coefficient = next;
    }
    chain.steps.push(...linear(coefficient, constant));
    return chain;
  }

  /** The name of a tensor that holds the expression's values. */
  #tensor(expression: Expression): string {
    if (typeof expression === "string") return expression;
    const name = `scratch${this.#scratches++}`;
    this.#finish(this.#open(expression), name);
    return name;
  }
}

const isNumber = (expression: Expression): expression is number | { readonly scalar: string } =>
  typeof expression === "number" || (typeof expression === "object" && "scalar" in expression);

const linear = (alpha: number, beta: number): ChainStep[] =>
  alpha === 1 && beta === 0 ? [] : [{ kind: "linear", alpha, beta }];

/** An expression as a sum of terms; constants are multiples of the term 1. */
function termsOf(expression: Expression, coefficient = 1): Term[] {
  if (typeof expression === "number") return [{ coefficient: coefficient * expression, of: 1 }];
  if (typeof expression === "object" && "op" in expression) {
    if (expression.op === "add") return expression.terms.flatMap((term) => termsOf(term, coefficient));
    if (expression.op === "mul") {
      if (typeof expression.a === "number") return termsOf(expression.b, coefficient * expression.a);
      if (typeof expression.b === "number") return termsOf(expression.a, coefficient * expression.b);
    }
  }
  return [{ coefficient, of: expression }];
}
