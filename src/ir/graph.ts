/** A graph of operations: immutable, topologically sorted, and every value has a name. */

import type { DType, Shape } from "../tensor.ts";
import type { Attrs, Op } from "./ops.ts";

export interface Type {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A value. Its identity is the object; its name (`layer2.0.se.fc1`) is for people and for weight files. */
export interface Value {
  readonly name: string;
  readonly type: Type;
}

/**
 * The role of a parameter. Weight decay applies to `weight` by default; `mean` and `variance` are running statistics,
 * which get no gradient.
 */
export type Role = "weight" | "bias" | "gamma" | "beta" | "mean" | "variance";

export interface Parameter extends Value {
  readonly role: Role;
  /** Does not learn, whatever its role (nn/freeze.ts). */
  readonly frozen?: true;
  /** Initial value, if not its role's usual one (weights/init.ts). */
  readonly initial?: Initial;
}

/**
 * A parameter's initial value: a constant, or random numbers around 0. `cutNormal` is a normal distribution truncated
 * at two deviations; `orthonormal` makes each output's filter an orthonormal matrix of input channels by kernel
 * positions.
 */
export type Initial =
  | number
  | { readonly kind: "normal" | "cutNormal" | "orthonormal"; readonly deviation: number }
  | { readonly kind: "uniform"; readonly bound: number };

/** A repeating part of a network: a residual block, an Inception module. */
export interface Block {
  readonly name: string;
  /** Blocks with the same spatial size form a stage; counted from 1. */
  readonly stage: number;
}

/** The meaning of a node in its network, beyond its operation. */
export type Tag =
  | "se.squeeze" // the mean over positions that starts a squeeze-and-excitation block
  | "se.gate" // the sigmoid that ends it
  | "features" // the classifier's input, [N, features]
  | "head"; // the classifier

/** The place of a node in the network. Passes and reports use this, never names. */
export interface Place {
  readonly block?: Block | undefined;
  readonly tag?: Tag | undefined;
}

export interface Node<K extends Op = Op> extends Place {
  readonly op: K;
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly attrs: Attrs[K];
  readonly outputs: readonly Value[];
}

/** One node of any operation, as a union that `switch (node.op)` narrows. */
export type AnyNode = { [K in Op]: Node<K> }[Op];

export interface Graph {
  readonly name: string;
  /** Fed at each run. */
  readonly inputs: readonly Value[];
  /** Bound to weights once, by name. */
  readonly parameters: readonly Parameter[];
  /** Topologically sorted: a node's inputs come before it. */
  readonly nodes: readonly AnyNode[];
  /** Results of a run, by name. */
  readonly outputs: ReadonlyMap<string, Value>;
  /** Parameters that change in a run, with their new values (running statistics). */
  readonly updates: ReadonlyMap<Parameter, Value>;
}

export const isTrainable = ({ role, frozen }: Parameter): boolean =>
  frozen !== true && role !== "mean" && role !== "variance";

/** A type as text: `float32[1, 3, 224, 224]`. */
export const formatType = (type: Type): string => `${type.dtype}[${type.shape.join(", ")}]`;
