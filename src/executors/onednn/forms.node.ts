/** Parameters in the layouts that the plan wants, and their copies from and to the caller's row-major arrays. */

import { sizeOf } from "../../tensor.ts";
import { type GroupShape, mergeGroups, splitGroups } from "./groups.ts";
import type { Phase, Place, PlanBuilder } from "./plan.node.ts";
import { Arg, type Desc } from "./spec.ts";

/** A parameter's layout: the one that its gradient's primitive writes. */
export interface Form {
  readonly desc: Desc;
  /** Set if groups are merged. */
  readonly merged?: GroupShape;
}

/** Plans the copies. */
export class FormCopies {
  readonly #plan: PlanBuilder;
  /** Scratch memory for row-major merged groups, used by one at a time. */
  #scratch: Uint8Array | undefined;

  constructor(plan: PlanBuilder) {
    this.#plan = plan;
  }

  /** From the row-major array into the form. */
  load(name: string, { desc, merged }: Form, data: Float32Array, into: Place, phase: Phase = "load"): void {
    const plan = this.#plan;
    const plain = plan.describe(desc.dims, "f32", "plain");
    if (merged === undefined) {
      this.#move(phase, name, plan.fixed(plain, data), into);
      return;
    }
    const scratch = this.#scratchOf(plain);
    const whole = plan.array(scratch);
    plan.asideHost(phase, name, () => mergeGroups(merged, data, whole.data.fill(0)));
    this.#move(phase, name, scratch, into);
  }

  /** From the form into the row-major array. */
  store(name: string, { desc, merged }: Form, from: Place, data: Float32Array, phase: Phase = "store"): void {
    const plan = this.#plan;
    const plain = plan.describe(desc.dims, "f32", "plain");
    if (merged === undefined) {
      this.#move(phase, name, from, plan.fixed(plain, data));
      return;
    }
    const scratch = this.#scratchOf(plain);
    const whole = plan.array(scratch);
    this.#move(phase, name, from, scratch);
    plan.asideHost(phase, name, () => splitGroups(merged, whole.data, data));
  }

  #move(phase: Phase, name: string, from: Place, into: Place): void {
    const plan = this.#plan;
    const primitive = plan.api.primitive(name, { primitive: "reorder", src: from.desc, dst: into.desc });
    plan.aside(phase, name, primitive, { [Arg.src]: from }, { [Arg.dst]: into });
  }

  #scratchOf(plain: Desc): Place {
    const bytes = sizeOf(plain.dims) * Float32Array.BYTES_PER_ELEMENT;
    if (this.#scratch === undefined || this.#scratch.byteLength < bytes) this.#scratch = this.#plan.memory(bytes);
    return this.#plan.fixed(plain, this.#scratch.subarray(0, bytes));
  }
}
