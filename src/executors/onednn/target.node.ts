/**
 * What a graph is lowered to: the library, the plan that is built, and how values lie between operations; and what is chosen
 * there beforehand.
 */

import type { Type } from "../../ir/graph.ts";
import type { Shape } from "../../tensor.ts";
import type { Api, Primitive } from "./api.node.ts";
import type { FusedNode } from "./fused.ts";
import type { Form } from "./masters.node.ts";
import type { Place, PlanBuilder } from "./plan.node.ts";
import type { Desc, ElementType } from "./spec.ts";

export class Target {
  readonly api: Api;
  readonly plan: PlanBuilder;
  /** What activations are, and the weights that meet them. */
  readonly type: ElementType;

  constructor(api: Api, type: ElementType, plan: PlanBuilder) {
    this.api = api;
    this.plan = plan;
    this.type = type;
  }

  /** The type of a value between operations: vectors stay in float32, as do the loss and what is near it. */
  typeOf(shape: Shape): ElementType {
    return shape.length === 4 ? this.type : "f32";
  }

  /** A description of a value as it stays between operations. */
  descOf(shape: Shape, type = this.typeOf(shape)): Desc {
    return this.plan.describe(shape, type, this.plan.layoutOf(shape));
  }

  /** The same, of one that may be in eight bits. */
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

/** How the gradient of weights is made, and what its primitive writes. */
export interface WeightGradient extends Form {
  readonly primitive: Primitive;
}

/** By the nodes that they are for; rules only read it. */
export interface Prepared {
  readonly forwards: ReadonlyMap<FusedNode, Forward>;
  readonly gradients: ReadonlyMap<FusedNode, WeightGradient>;
}
