/** The optimiser in TypeScript, for engines without one of their own. */

import type { Parameter } from "../ir/graph.ts";
import { sizeOf, type Tensor, type TensorData } from "../tensor.ts";
import type { Chain, ChainStep, UpdateStep } from "./chain.ts";
import type { Ratio } from "./expression.ts";
import type { StepNumbers } from "./optimizers.ts";
import { orthogonal } from "./orthogonal.ts";
import type { UpdateRule } from "./rule.ts";

/** Elements processed at a time, few enough for the processor's first-level cache. */
const pieceLength = 2048;

type Arrays = ReadonlyMap<string, TensorData>;
type Numbers = Readonly<Record<string, number>>;

export class HostUpdate {
  readonly #rule: UpdateRule;
  readonly #piece = new Piece();
  /** Temporary tensors of formulas, as long as the longest parameter. */
  readonly #temporary = new Map<string, Float64Array>();
  readonly #longest: number;
  /** The compiled formula by decay and kind; the same at each step. */
  readonly #chains = new Map<string, readonly UpdateStep[]>();

  constructor(rule: UpdateRule) {
    this.#rule = rule;
    this.#longest = rule.learnt.reduce((most, { parameter }) => Math.max(most, sizeOf(parameter.type.shape)), 0);
  }

  /** Updates weights and slots in place. */
  run(
    weights: ReadonlyMap<string, Tensor>,
    gradients: ReadonlyMap<string, Tensor>,
    step: Omit<StepNumbers, "decay">,
  ): void {
    for (const { parameter, gradient, decay, rate: factor, isMatrix, slots } of this.#rule.learnt) {
      const arrays = new Map<string, TensorData>([
        ["weight", weights.get(parameter.name)!.data],
        ["gradient", gradients.get(gradient)!.data],
        ...[...slots].map(([slot, { data }]) => [slot, data] as const),
      ]);
      const numbers = { ...this.#rule.scalars({ ...step, rate: factor * step.rate, decay }) };
      this.#update(this.#chainsOf(decay, isMatrix), parameter, arrays, numbers);
    }
  }

  #chainsOf(decay: number, isMatrix: boolean): readonly UpdateStep[] {
    const key = `${decay} ${isMatrix}`;
    const chains = this.#chains.get(key) ?? this.#rule.chains(decay, isMatrix);
    this.#chains.set(key, chains);
    return chains;
  }

  #update(
    steps: readonly UpdateStep[],
    { type: { shape } }: Parameter,
    arrays: Map<string, TensorData>,
    numbers: Record<string, number>,
  ): void {
    const size = sizeOf(shape);
    let chains: Chain[] = [];
    for (const chain of [...steps, undefined]) {
      if (chain !== undefined && "target" in chain) {
        chains.push(chain);
        if (!arrays.has(chain.target)) arrays.set(chain.target, this.#scratch(chain.target).subarray(0, size));
        continue;
      }
      for (let from = 0; from < size; from += pieceLength) {
        this.#piece.run(chains, arrays, numbers, from, Math.min(size, from + pieceLength));
      }
      chains = [];
      if (chain === undefined) break;
      if ("ratio" in chain) {
        numbers[chain.ratio] = ratioOf(chain, arrays.get(chain.of)!, arrays.get(chain.to)!);
      } else {
        const data = arrays.get(chain.orthogonal)!;
        data.set(orthogonal(data, shape[0]!, size / shape[0]!, chain.rms));
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

/** The ratio of two tensors' norms by which LAMB and LARS scale a parameter's step; 1 if one of them is 0. */
export function ratioOf({ factor = 1, part = 0, eps = 0 }: Ratio, of: TensorData, to: TensorData): number {
  const [own, other] = [norm(of), norm(to)];
  return own > 0 && other > 0 ? (factor * own) / (other + part * own + eps) : 1;
}

/** Euclidean norm. */
export function norm(data: TensorData): number {
  let squares = 0;
  for (let i = 0; i < data.length; i++) squares += data[i]! ** 2;
  return Math.sqrt(squares);
}

/** A piece of all tensors, computed in double precision throughout; values are rounded only when stored in between. */
class Piece {
  readonly #fresh = new Map<string, Float64Array>();
  readonly #spare: Float64Array[] = [];

  run(chains: readonly Chain[], arrays: Arrays, numbers: Numbers, from: number, end: number): void {
    for (const { target, start, steps } of chains) {
      const running = this.#spare.pop() ?? new Float64Array(pieceLength);
      const count = end - from;
      running.set(this.#read(start, arrays, from, end));
      for (const step of steps) this.#step(step, target, arrays, numbers, from, end, running);
      arrays.get(target)!.set(running.subarray(0, count), from);
      this.#free(target);
      this.#fresh.set(target, running);
    }
    for (const name of [...this.#fresh.keys()]) this.#free(name);
  }

  #free(name: string): void {
    const old = this.#fresh.get(name);
    if (old !== undefined) this.#spare.push(old);
    this.#fresh.delete(name);
  }

  /** The current values of the piece's part of a tensor. */
  #read(name: string, arrays: Arrays, from: number, end: number): TensorData {
    return this.#fresh.get(name)?.subarray(0, end - from) ?? arrays.get(name)!.subarray(from, end);
  }

  #step(
    step: ChainStep,
    target: string,
    arrays: Arrays,
    numbers: Numbers,
    from: number,
    end: number,
    running: Float64Array,
  ): void {
    const count = end - from;
    switch (step.kind) {
      case "add": {
        const operand = this.#read(step.operand, arrays, from, end);
        for (let i = 0; i < count; i++) running[i]! += operand[i]!;
        break;
      }
      case "mul": {
        const operand = this.#read(step.operand, arrays, from, end);
        for (let i = 0; i < count; i++) running[i]! *= operand[i]!;
        break;
      }
      case "div": {
        const operand = this.#read(step.operand, arrays, from, end);
        for (let i = 0; i < count; i++) running[i]! /= operand[i]!;
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
        const old = this.#read(target, arrays, from, end);
        for (let i = 0; i < count; i++) running[i]! += scale * old[i]!;
        break;
      }
    }
  }
}
