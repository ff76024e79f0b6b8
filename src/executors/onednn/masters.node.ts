/**
 * What training keeps between steps: weights, velocities and gradients, each kind one parameter after the other in one
 * piece of memory, in the layouts that the gradients' primitives write. The optimiser is then two calls over the whole
 * piece, on all threads; the arrays of the caller are read once and written when he asks for it.
 */

import type { Value } from "../../ir/graph.ts";
import { allFinite, sizeOf } from "../../tensor.ts";
import type { Learnt, SgdRule, Weights } from "../executor.ts";
import { aligned } from "./arena.ts";
import { type GroupShape, mergeGroups, splitGroups } from "./groups.ts";
import type { Phase, Place, PlanBuilder } from "./plan.node.ts";
import { Arg, type Desc, meanOverPositions, type PostOp } from "./spec.ts";

/** How a parameter is kept: as its gradient's primitive writes it. */
export interface Form {
  readonly desc: Desc;
  /** Where groups are merged. */
  readonly merged?: GroupShape;
}

/** A learnt parameter, the same way three times. */
export interface Master {
  readonly learnt: Learnt;
  /** Its gradient in the graph. */
  readonly value: Value;
  readonly form: Form;
  readonly weight: Place;
  readonly velocity: Place;
  readonly gradient: Place;
}

/** Parameters of one decay, next to each other; offsets in bytes. */
interface Range {
  readonly decay: number;
  readonly start: number;
  readonly end: number;
}

/** Gradients are summed up by pooling over windows of this side, to see whether they are finite. */
const window = 64;
const floatBytes = 4;

export class Masters {
  readonly #plan: PlanBuilder;
  readonly #sgd: SgdRule;
  readonly #all: readonly Master[];
  readonly #ranges: readonly Range[];
  readonly #weights: Uint8Array;
  readonly #velocities: Uint8Array;
  readonly #gradients: Uint8Array;
  readonly #byParameter: ReadonlyMap<Value, Master>;
  readonly #byGradient: ReadonlyMap<Value, Master>;
  /** For all that passes through row-major merged groups, one at a time. */
  #scratch: Uint8Array | undefined;

  /**
   * @param gradientOf the value that is a parameter's gradient
   * @param formOf how it is written
   */
  constructor(
    plan: PlanBuilder,
    sgd: SgdRule,
    gradientOf: (learnt: Learnt) => Value,
    formOf: (gradient: Value) => Form,
  ) {
    this.#plan = plan;
    this.#sgd = sgd;
    const byDecay = [...sgd.learnt].sort((a, b) => a.decay - b.decay);
    const ranges: Range[] = [];
    const laidOut: { readonly learnt: Learnt; readonly value: Value; readonly form: Form; readonly offset: number }[] =
      [];
    let bytes = 0;
    for (const learnt of byDecay) {
      const value = gradientOf(learnt);
      const form = formOf(value);
      laidOut.push({ learnt, value, form, offset: bytes });
      const end = bytes + aligned(plan.api.sizeOf(form.desc));
      const range = ranges.at(-1);
      if (range?.decay === learnt.decay) ranges[ranges.length - 1] = { ...range, end };
      else ranges.push({ decay: learnt.decay, start: bytes, end });
      bytes = end;
    }
    const unit = window * window * (plan.block ?? 1) * floatBytes;
    const whole = Math.ceil(bytes / unit) * unit;
    this.#ranges = ranges;
    [this.#weights, this.#velocities, this.#gradients] = [plan.memory(whole), plan.memory(whole), plan.memory(whole)];
    const at = (memory: Uint8Array, { desc }: Form, offset: number) =>
      plan.fixed(desc, memory.subarray(offset, offset + plan.api.sizeOf(desc)));
    this.#all = laidOut.map(({ learnt, value, form, offset }) => ({
      learnt,
      value,
      form,
      weight: at(this.#weights, form, offset),
      velocity: at(this.#velocities, form, offset),
      gradient: at(this.#gradients, form, offset),
    }));
    this.#byParameter = new Map(this.#all.map((master) => [master.learnt.parameter, master]));
    this.#byGradient = new Map(this.#all.map((master) => [master.value, master]));
  }

  of(parameter: Value): Master | undefined {
    return this.#byParameter.get(parameter);
  }

  /** The parameter whose gradient a value is; of several the last one. */
  ofGradient(value: Value): Master | undefined {
    return this.#byGradient.get(value);
  }

  gradients(): readonly Master[] {
    return this.#all;
  }

  /** Between the arrays and here: weights and velocities in before the first step, and out when asked for. */
  transfer(weights: Weights): void {
    for (const { learnt, form, weight, velocity } of this.#all) {
      const { name } = learnt.parameter;
      const array = weights.get(name)!.data as Float32Array;
      const pairs = [
        [array, weight],
        [learnt.velocity.data as Float32Array, velocity],
      ] as const;
      for (const [data, place] of pairs) {
        this.#load(name, form, data, place);
        this.#store(name, form, place, data);
      }
    }
  }

  /** What groups that are merged must not learn: a mask over the gradient, 1 where a weight is and 0 between. */
  mask(name: string, { form, gradient }: Master): void {
    const { merged, desc } = form;
    if (merged === undefined) return;
    const plan = this.#plan;
    const mask = plan.fixed(desc);
    const ones = new Float32Array(merged.out * merged.row).fill(1);
    this.#load(name, form, ones, mask);
    const spec = { primitive: "binary", algorithm: "mul", src: desc, operand: desc, dst: desc } as const;
    const reads = { [Arg.src]: gradient, [Arg.operand]: mask };
    plan.run(name, plan.api.primitive(name, spec), reads, { [Arg.dst]: gradient });
  }

  /**
   * Sums of the gradients, few enough to look at; one that is not finite betrays a gradient that is not, or is beyond
   * 10^34 and as good as infinite.
   */
  check(): () => boolean {
    const plan = this.#plan;
    const { block } = plan;
    const floats = this.#gradients.byteLength / floatBytes;
    const data = new Float32Array(this.#gradients.buffer, this.#gradients.byteOffset, floats);
    if (block === undefined) return () => allFinite({ data });
    const layout = `blocked${block}` as const;
    const windows = floats / (block * window * window);
    const src = plan.fixed(plan.describe([windows, block, window, window], "f32", layout), this.#gradients);
    const dst = plan.fixed(plan.describe([windows, block, 1, 1], "f32", layout));
    const name = "whether gradients are finite";
    const primitive = plan.api.primitive(name, meanOverPositions(src.desc, dst.desc));
    plan.aside("check", name, primitive, { [Arg.src]: src }, { [Arg.dst]: dst });
    const means = plan.array(dst);
    return () => allFinite(means);
  }

  /** The update of weights and velocities. @returns where the learning rate goes, negated */
  update(): Float32Array {
    const plan = this.#plan;
    const one = plan.describe([1], "f32", "plain");
    const negativeRate = new Float32Array(1);
    const rate = plan.fixed(one, negativeRate);
    for (const range of this.#ranges) {
      const piece = (memory: Uint8Array): Place => {
        const floats = (range.end - range.start) / floatBytes;
        return plan.fixed(plan.describe([floats], "f32", "plain"), memory.subarray(range.start, range.end));
      };
      this.#updateRange(range.decay, piece(this.#weights), piece(this.#velocities), piece(this.#gradients), rate);
    }
    return negativeRate;
  }

  /**
   * `v ← momentum · v + (decay · w + g)`, then `w ← w − rate · v`, or `w ← w − rate · (momentum · (v + decay / momentum · w) + g)`
   * for Nesterov's. Each is one pass: a product with a number, and what is done to it on the way.
   */
  #updateRange(decay: number, w: Place, v: Place, g: Place, rate: Place): void {
    const { momentum, nesterov } = this.#sgd;
    const { desc } = w;
    const add = { kind: "add", operand: desc } as const;
    const timesRate = { kind: "mul", operand: rate.desc } as const;
    this.#product("velocities", w, decay, v, [[add, g], [{ kind: "sum", scale: momentum }]]);
    if (!nesterov || momentum === 0) {
      this.#product("weights", v, 1, w, [[timesRate, rate], [{ kind: "sum", scale: 1 }]]);
      return;
    }
    this.#product("weights", w, decay / momentum, w, [
      [add, v],
      [{ kind: "linear", alpha: momentum }],
      [add, g],
      [timesRate, rate],
      [{ kind: "sum", scale: 1 }],
    ]);
  }

  #product(
    what: string,
    src: Place,
    factor: number,
    dst: Place,
    after: readonly (readonly [PostOp, operand?: Place])[],
  ): void {
    const plan = this.#plan;
    const name = `update of ${what}`;
    const operand = plan.fixed(plan.describe([1], "f32", "plain"), Float32Array.of(factor));
    const postOps = after.map(([op]) => op);
    const spec = {
      primitive: "binary",
      algorithm: "mul",
      src: src.desc,
      operand: operand.desc,
      dst: dst.desc,
    } as const;
    const primitive = plan.api.primitive(name, { ...spec, postOps });
    const operands = after.map(([, place], index) => [plan.api.postOpArg(index), place] as const);
    const reads = { [Arg.src]: src, [Arg.operand]: operand, ...Object.fromEntries(operands) };
    plan.aside("update", name, primitive, reads, { [Arg.dst]: dst });
  }

  #load(name: string, { desc, merged }: Form, data: Float32Array, into: Place): void {
    const plan = this.#plan;
    const plain = plan.describe(desc.dims, "f32", "plain");
    if (merged === undefined) {
      this.#move("load", name, plan.fixed(plain, data), into);
      return;
    }
    const scratch = this.#scratchOf(plain);
    const whole = plan.array(scratch);
    plan.asideHost("load", name, () => mergeGroups(merged, data, whole.data.fill(0)));
    this.#move("load", name, scratch, into);
  }

  #store(name: string, { desc, merged }: Form, from: Place, data: Float32Array): void {
    const plan = this.#plan;
    const plain = plan.describe(desc.dims, "f32", "plain");
    if (merged === undefined) {
      this.#move("store", name, from, plan.fixed(plain, data));
      return;
    }
    const scratch = this.#scratchOf(plain);
    const whole = plan.array(scratch);
    this.#move("store", name, from, scratch);
    plan.asideHost("store", name, () => splitGroups(merged, whole.data, data));
  }

  #move(phase: Phase, name: string, from: Place, into: Place): void {
    const plan = this.#plan;
    const primitive = plan.api.primitive(name, { primitive: "reorder", src: from.desc, dst: into.desc });
    plan.aside(phase, name, primitive, { [Arg.src]: from }, { [Arg.dst]: into });
  }

  #scratchOf(plain: Desc): Place {
    const bytes = sizeOf(plain.dims) * floatBytes;
    if (this.#scratch === undefined || this.#scratch.byteLength < bytes) this.#scratch = this.#plan.memory(bytes);
    return this.#plan.fixed(plain, this.#scratch.subarray(0, bytes));
  }
}
