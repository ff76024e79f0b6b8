/**
 * The data that training keeps between steps: weights, gradients and optimiser state. Each kind is one block of memory
 * with one parameter after the other, in the layouts that the gradients' primitives write. The optimiser is then a few
 * calls over the whole block, on all threads; the caller's arrays are read once, and written on request. The last layer
 * comes first, so that neighbours get their gradients one after the other.
 */

import type { Value } from "../../ir/graph.ts";
import type { Chain, ChainStep, Orthogonalise } from "../../optim/chain.ts";
import { ratioOf } from "../../optim/host.ts";
import type { StepNumbers } from "../../optim/optimizers.ts";
import type { Learnt, UpdateRule } from "../../optim/rule.ts";
import { allFinite, sizeOf } from "../../tensor.ts";
import type { Weights } from "../executor.ts";
import { aligned } from "./arena.ts";
import { type Form, FormCopies } from "./forms.node.ts";
import { Orthogonal } from "./orthogonal.node.ts";
import type { Place, PlanBuilder } from "./plan.node.ts";
import { Arg, meanOverPositions, type PostOp } from "./spec.ts";

/** A learnt parameter, at the same place in each block of memory. */
export interface Master {
  readonly learnt: Learnt;
  /** The gradient's value in the graph. */
  readonly value: Value;
  readonly form: Form;
  readonly weight: Place;
  readonly gradient: Place;
  readonly slots: ReadonlyMap<string, Place>;
  /** Its start in every block, in bytes. */
  readonly start: number;
  readonly end: number;
}

/** Adjacent parameters with the same decay, rate factor and kind; offsets in bytes. */
interface Range {
  readonly decay: number;
  readonly rate: number;
  readonly isMatrix: boolean;
  readonly start: number;
  readonly end: number;
}

/** The tensors and scalars that a formula's names stand for, for a part of the memory. */
interface Scope {
  readonly tensor: (name: string) => Place;
  readonly number: (name: string) => Place;
}

/** Side of the pooling windows by which gradients are summed to check that they are finite. */
const window = 64;
const floatBytes = 4;

export class Masters {
  readonly #plan: PlanBuilder;
  readonly #rule: UpdateRule;
  readonly #all: readonly Master[];
  readonly #ranges: readonly Range[];
  /** Blocks of memory: `weight`, `gradient`, the optimiser's slots, and its formula's temporaries. */
  readonly #pieces = new Map<string, Uint8Array>();
  readonly #bytes: number;
  readonly #byParameter: ReadonlyMap<Value, Master>;
  readonly #byGradient: ReadonlyMap<Value, Master>;
  readonly #orthogonal: Orthogonal;
  readonly #matrices = new Map<string, Uint8Array>();
  readonly #copies: FormCopies;

  /**
   * @param gradientOf the gradient's value of a parameter
   * @param formOf the form in which it is written
   */
  constructor(
    plan: PlanBuilder,
    rule: UpdateRule,
    gradientOf: (learnt: Learnt) => Value,
    formOf: (gradient: Value) => Form,
  ) {
    this.#plan = plan;
    this.#rule = rule;
    this.#orthogonal = new Orthogonal(plan);
    this.#copies = new FormCopies(plan);
    const alike = rule.learnt
      .toReversed()
      .sort((a, b) => a.decay - b.decay || a.rate - b.rate || Number(a.isMatrix) - Number(b.isMatrix));
    const ranges: Range[] = [];
    const laidOut: { readonly learnt: Learnt; readonly value: Value; readonly form: Form; readonly offset: number }[] =
      [];
    let bytes = 0;
    for (const learnt of alike) {
      const value = gradientOf(learnt);
      const form = formOf(value);
      laidOut.push({ learnt, value, form, offset: bytes });
      const end = bytes + aligned(plan.api.sizeOf(form.desc));
      const range = ranges.at(-1);
      const { decay, rate, isMatrix } = learnt;
      const isAlike = range?.decay === decay && range.rate === rate && range.isMatrix === isMatrix;
      if (isAlike) ranges[ranges.length - 1] = { ...range, end };
      else ranges.push({ decay, rate, isMatrix, start: bytes, end });
      bytes = end;
    }
    const unit = window * window * (plan.block ?? 1) * floatBytes;
    this.#bytes = Math.ceil(bytes / unit) * unit;
    this.#ranges = ranges;
    const at = (piece: string, { desc }: Form, offset: number) =>
      plan.fixed(desc, this.#piece(piece).subarray(offset, offset + plan.api.sizeOf(desc)));
    this.#all = laidOut.map(({ learnt, value, form, offset }) => ({
      learnt,
      value,
      form,
      weight: at("weight", form, offset),
      gradient: at("gradient", form, offset),
      slots: new Map(rule.slots.map((slot) => [slot, at(slot, form, offset)])),
      start: offset,
      end: offset + aligned(plan.api.sizeOf(form.desc)),
    }));
    this.#byParameter = new Map(this.#all.map((master) => [master.learnt.parameter, master]));
    this.#byGradient = new Map(this.#all.map((master) => [master.value, master]));
  }

  #piece(name: string): Uint8Array {
    let piece = this.#pieces.get(name);
    if (piece === undefined) {
      piece = this.#plan.memory(this.#bytes);
      this.#pieces.set(name, piece);
    }
    return piece;
  }

  /** All gradients; gaps between them are zero. */
  get gradientData(): Float32Array {
    return floatsOf(this.#piece("gradient"), 0, this.#all.at(-1)?.end ?? 0);
  }

  /** One gradient. */
  gradientOf({ start, end }: Master): Float32Array {
    return floatsOf(this.#piece("gradient"), start, end);
  }

  of(parameter: Value): Master | undefined {
    return this.#byParameter.get(parameter);
  }

  /** The parameter whose gradient a value is; the last one if there are several. */
  ofGradient(value: Value): Master | undefined {
    return this.#byGradient.get(value);
  }

  gradients(): readonly Master[] {
    return this.#all;
  }

  /** Copies weights and optimiser state from the arrays before the first step, and back on request. */
  transfer(weights: Weights): void {
    for (const { learnt, form, weight, slots } of this.#all) {
      const { name } = learnt.parameter;
      const pairs = [
        [weights.get(name)!, weight] as const,
        ...[...slots].map(([slot, place]) => [learnt.slots.get(slot)!, place] as const),
      ];
      for (const [{ data }, place] of pairs) {
        this.#copies.load(name, form, data as Float32Array, place);
        this.#copies.store(name, form, place, data as Float32Array);
      }
    }
  }

  /** Masks the gradient of merged groups: 1 for real weights, 0 for the zeros between them. */
  mask(name: string, { form, gradient }: Master): void {
    const { merged, desc } = form;
    if (merged === undefined) return;
    const plan = this.#plan;
    const mask = plan.fixed(desc);
    const ones = new Float32Array(merged.out * merged.row).fill(1);
    this.#copies.load(name, form, ones, mask);
    const spec = { primitive: "binary", algorithm: "mul", src: desc, operand: desc, dst: desc } as const;
    const reads = { [Arg.src]: gradient, [Arg.operand]: mask };
    plan.run(name, plan.api.primitive(name, spec), reads, { [Arg.dst]: gradient });
  }

  /**
   * Plans sums of the gradients, few enough to inspect. A sum that is not finite reveals a gradient that is not, or one
   * beyond 10^34, which is as bad.
   */
  check(): () => boolean {
    const plan = this.#plan;
    const { block } = plan;
    const data = floatsOf(this.#piece("gradient"));
    if (block === undefined) return () => allFinite({ data });
    const layout = `blocked${block}` as const;
    const windows = data.length / (block * window * window);
    const src = plan.fixed(plan.describe([windows, block, window, window], "f32", layout), data);
    const dst = plan.fixed(plan.describe([windows, block, 1, 1], "f32", layout));
    const name = "whether gradients are finite";
    const primitive = plan.api.primitive(name, meanOverPositions(src.desc, dst.desc));
    plan.aside("check", name, primitive, { [Arg.src]: src }, { [Arg.dst]: dst });
    const means = plan.array(dst);
    return () => allFinite(means);
  }

  /**
   * Plans the optimiser's formula over all parameters, range by range; after a ratio of norms, parameter by parameter.
   * @returns a function that sets the formula's scalars, to be called before the plan's `update`
   */
  update(): (numbers: Omit<StepNumbers, "decay">) => void {
    const setters: ((numbers: Omit<StepNumbers, "decay">) => void)[] = [];
    for (const { decay, rate, isMatrix, start, end } of this.#ranges) {
      const own = this.#all.filter((master) => master.start >= start && master.end <= end);
      const numbers = new Map<string, { readonly data: Float32Array; readonly place: Place }>();
      const number = (name: string) => this.#number(numbers, name).place;
      const whole: Scope = { tensor: (name) => this.#flat(name, start, end), number };
      let scopes = [whole];
      for (const chain of this.#rule.chains(decay, isMatrix)) {
        if ("target" in chain) {
          for (const scope of scopes) this.#run(chain, scope);
          continue;
        }
        if ("orthogonal" in chain) {
          for (const master of own) this.#orthogonalise(chain, master);
          continue;
        }
        scopes = own.map((master) => {
          const ratio = this.#number(new Map(), chain.ratio);
          const [of, to] = [chain.of, chain.to].map((name) => floatsOf(this.#piece(name), master.start, master.end));
          this.#plan.asideHost("update", `${chain.ratio} of ${master.learnt.parameter.name}`, () => {
            ratio.data[0] = ratioOf(chain, of!, to!);
          });
          return {
            tensor: (name) => this.#flat(name, master.start, master.end),
            number: (name) => (name === chain.ratio ? ratio.place : number(name)),
          };
        });
      }
      setters.push((step) => {
        const values = this.#rule.scalars({ ...step, rate: rate * step.rate, decay });
        for (const [name, { data }] of numbers) data[0] = values[name]!;
      });
    }
    return (step) => {
      for (const set of setters) set(step);
    };
  }

  /** Done in the parameter's own order, in which it is a matrix of rows. */
  #orthogonalise({ orthogonal: piece, rms }: Orthogonalise, { learnt, form, start }: Master): void {
    const plan = this.#plan;
    const { name, type } = learnt.parameter;
    const size = sizeOf(type.shape);
    const desc = plan.describe([type.shape[0]!, size / type.shape[0]!], "f32", "plain");
    const place = plan.fixed(form.desc, this.#piece(piece).subarray(start, start + plan.api.sizeOf(form.desc)));
    const [from, into] = ["from", "into"].map((role) => this.#matrix(role, size)) as [Float32Array, Float32Array];
    this.#copies.store(name, form, place, from, "update");
    this.#orthogonal.run(name, plan.fixed(desc, from), plan.fixed(desc, into), rms);
    this.#copies.load(name, form, into, place, "update");
  }

  /** Memory that matrices use one after another. */
  #matrix(role: string, size: number): Float32Array {
    let memory = this.#matrices.get(role);
    if (memory === undefined) {
      const matrices = this.#all.filter(({ learnt }) => learnt.isMatrix);
      memory = this.#plan.memory(
        floatBytes * Math.max(...matrices.map(({ learnt }) => sizeOf(learnt.parameter.type.shape))),
      );
      this.#matrices.set(role, memory);
    }
    return floatsOf(memory, 0, floatBytes * size);
  }

  #number(known: Map<string, { readonly data: Float32Array; readonly place: Place }>, name: string) {
    let number = known.get(name);
    if (number === undefined) {
      const data = new Float32Array(1);
      number = { data, place: this.#plan.fixed(this.#plan.describe([1], "f32", "plain"), data) };
      known.set(name, number);
    }
    return number;
  }

  /** A part of a block as one long vector, whatever its parameters' layouts. */
  #flat(name: string, start: number, end: number): Place {
    const plan = this.#plan;
    const desc = plan.describe([(end - start) / floatBytes], "f32", "plain");
    return plan.fixed(desc, this.#piece(name).subarray(start, end));
  }

  /** Plans a chain as one primitive: a product with a number, with post-operations. */
  #run({ target, start, steps }: Chain, scope: Scope): void {
    const plan = this.#plan;
    const name = `update of ${target}`;
    const [first] = steps;
    const isProduct = first?.kind === "linear" && first.beta === 0;
    const factor = plan.fixed(plan.describe([1], "f32", "plain"), Float32Array.of(isProduct ? first.alpha : 1));
    const after = (isProduct ? steps.slice(1) : steps).map((step) => postOpOf(step, scope));
    const [src, dst] = [scope.tensor(start), scope.tensor(target)];
    const primitive = plan.api.primitive(name, {
      primitive: "binary",
      algorithm: "mul",
      src: src.desc,
      operand: factor.desc,
      dst: dst.desc,
      postOps: after.map(({ op }) => op),
    });
    const operands = after.map(({ operand }, index) => [plan.api.postOpArg(index), operand] as const);
    const reads = { [Arg.src]: src, [Arg.operand]: factor, ...Object.fromEntries(operands) };
    plan.aside("update", name, primitive, reads, { [Arg.dst]: dst });
  }
}

const floatsOf = ({ buffer, byteOffset, byteLength }: Uint8Array, start = 0, end = byteLength): Float32Array =>
  new Float32Array(buffer, byteOffset + start, (end - start) / floatBytes);

function postOpOf(step: ChainStep, scope: Scope): { readonly op: PostOp; readonly operand?: Place } {
  switch (step.kind) {
    case "add":
    case "mul":
    case "div": {
      const operand = scope.tensor(step.operand);
      return { op: { kind: step.kind, operand: operand.desc }, operand };
    }
    case "scale": {
      const operand = scope.number(step.scalar);
      return { op: { kind: "mul", operand: operand.desc }, operand };
    }
    default:
      return { op: step };
  }
}
