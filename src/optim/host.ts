/** The optimiser in TypeScript, over arrays: for engines that have none of their own. */

import type { Tensor, TensorData } from "../tensor.ts";
import type { Chain, ChainStep } from "./chain.ts";
import type { Learnt, UpdateRule } from "./rule.ts";

/** So many elements at a time, which stay in the processor's nearest cache. */
const piece = 2048;

type Arrays = ReadonlyMap<string, TensorData>;
type Numbers = Readonly<Record<string, number>>;

export class HostUpdate {
  readonly #rule: UpdateRule;
  /** Between the steps of a chain, in double precision. */
  readonly #running = new Float64Array(piece);
  /** Tensors that formulas have besides weights and slots, as long as the longest parameter. */
  readonly #temporary = new Map<string, Float64Array>();
  readonly #longest: number;

  constructor(rule: UpdateRule) {
    this.#rule = rule;
    this.#longest = rule.learnt.reduce((most, { parameter }) => Math.max(most, length(parameter.type.shape)), 0);
  }

  /**
   * Updates weights and slots in place.
   * @param step how many updates there were before
   */
  run(weights: ReadonlyMap<string, Tensor>, gradients: ReadonlyMap<string, Tensor>, rate: number, step: number): void {
    for (const learnt of this.#rule.learnt) {
      const { parameter, gradient, decay, slots } = learnt;
      const arrays = new Map<string, TensorData>([
        ["weight", weights.get(parameter.name)!.data],
        ["gradient", gradients.get(gradient)!.data],
        ...[...slots].map(([slot, { data }]) => [slot, data] as const),
      ]);
      this.#update(learnt, arrays, { ...this.#rule.scalars({ rate, step, decay }) });
    }
  }

  #update({ decay }: Learnt, arrays: Map<string, TensorData>, numbers: Record<string, number>): void {
    const size = arrays.get("weight")!.length;
    for (const chain of this.#rule.chains(decay)) {
      if ("ratio" in chain) {
        numbers[chain.ratio] = ratioOf(norm(arrays.get(chain.of)!), norm(arrays.get(chain.to)!));
        continue;
      }
      if (!arrays.has(chain.target)) arrays.set(chain.target, this.#scratch(chain.target).subarray(0, size));
      for (let from = 0; from < size; from += piece) {
        runPiece(chain, arrays, numbers, from, Math.min(size, from + piece), this.#running);
      }
    }
  }

  #scratch(name: string): Float64Array {
    let scratch = this.#temporary.get(name);
    if (scratch === undefined) {
      scratch = new Float64Array(this.#longest);
      this.#temporary.set(name, scratch);
    }
    return scratch;
  }
}

/** What LAMB moves a parameter by: 1 where there is nothing to compare. */
export const ratioOf = (of: number, to: number): number => (of > 0 && to > 0 ? of / to : 1);

/** The Euclidean length. */
export function norm(data: TensorData): number {
  let squares = 0;
  for (let i = 0; i < data.length; i++) squares += data[i]! ** 2;
  return Math.sqrt(squares);
}

const length = (shape: readonly number[]) => shape.reduce((product, extent) => product * extent, 1);

function runPiece(
  { target, start, steps }: Chain,
  arrays: Arrays,
  numbers: Numbers,
  from: number,
  end: number,
  running: Float64Array,
): void {
  const count = end - from;
  const source = arrays.get(start)!;
  for (let i = 0; i < count; i++) running[i] = source[from + i]!;
  for (const step of steps) runStep(step, target, arrays, numbers, from, count, running);
  const into = arrays.get(target)!;
  for (let i = 0; i < count; i++) into[from + i] = running[i]!;
}

function runStep(
  step: ChainStep,
  target: string,
  arrays: Arrays,
  numbers: Numbers,
  from: number,
  count: number,
  running: Float64Array,
): void {
  switch (step.kind) {
    case "add": {
      const operand = arrays.get(step.operand)!;
      for (let i = 0; i < count; i++) running[i]! += operand[from + i]!;
      break;
    }
    case "mul": {
      const operand = arrays.get(step.operand)!;
      for (let i = 0; i < count; i++) running[i]! *= operand[from + i]!;
      break;
    }
    case "div": {
      const operand = arrays.get(step.operand)!;
      for (let i = 0; i < count; i++) running[i]! /= operand[from + i]!;
      break;
    }
    case "scale": {
      const factor = numbers[step.scalar]!;
      for (let i = 0; i < count; i++) running[i]! *= factor;
      break;
    }
    case "linear": {
      const { alpha, beta } = step;
      for (let i = 0; i < count; i++) running[i] = alpha * running[i]! + beta;
      break;
    }
    case "sqrt":
      for (let i = 0; i < count; i++) running[i] = Math.sqrt(running[i]!);
      break;
    case "sum": {
      const { scale } = step;
      const old = arrays.get(target)!;
      for (let i = 0; i < count; i++) running[i]! += scale * old[from + i]!;
      break;
    }
  }
}
