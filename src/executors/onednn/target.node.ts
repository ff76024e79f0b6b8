/**
 * The target of lowering: the library, the plan being built, and the layout of values between operations; and the
 * choices made in advance.
 */

import type { Type } from "../../ir/graph.ts";
import type { Shape } from "../../tensor.ts";
import type { Api, Primitive } from "./api.node.ts";
import type { Form } from "./forms.node.ts";
import type { FusedNode } from "./fused.ts";
import type { Place, PlanBuilder } from "./plan.node.ts";
import type { Desc, ElementType } from "./spec.ts";

export class Target {
  readonly api: Api;
  readonly plan: PlanBuilder;
  /** Type of activations and the weights multiplied with them. */
  readonly type: ElementType;

  constructor(api: Api, type: ElementType, plan: PlanBuilder) {
    this.api = api;
    this.plan = plan;
    this.type = type;
  }

  /** Type of a value between operations: vectors stay in float32, as do the loss and its neighbours. */
  typeOf(shape: Shape): ElementType {
    return shape.length === 4 ? this.type : "f32";
  }

  /** Description of a value between operations. */
  descOf(shape: Shape, type = this.typeOf(shape)): Desc {
    return this.plan.describe(shape, type, this.plan.layoutOf(shape));
  }

  /** The same for a value that may be in eight bits. */
  standingOf({ dtype, shape }: Type): Desc {
    if (dtype !== "int8" && dtype !== "uint8") return this.descOf(shape);
    const layout = shape.length === 4 ? "channelsLast" : "plain";
    return this.plan.describe(shape, dtype === "int8" ? "s8" : "u8", layout);
  }
}

/** A forward primitive, and what it keeps for the backward one. */
export interface Forward {
  readonly primitive: Primitive;
  readonly workspace: Place | undefined;
}

/** The primitive of a weight gradient, and the form it writes. */
export interface WeightGradient extends Form {
  readonly primitive: Primitive;
}

/** Prepared primitives by node; rules only read this. */
export interface Prepared {
  readonly forwards: ReadonlyMap<FusedNode, Forward>;
  readonly gradients: ReadonlyMap<FusedNode, WeightGradient>;
}
