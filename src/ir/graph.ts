/** A graph of operations: immutable, in topological order, every value named from birth. */

import type { DType, Shape } from "../tensor.ts";
import type { Attrs, Op } from "./ops.ts";

export interface Type {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A value is known by its object; its name (`layer2.0.se.fc1`) is for people and for weight files. */
export interface Value {
  readonly name: string;
  readonly type: Type;
}

/** What a parameter is for. `weight` is decayed; `mean` and `variance` are running statistics, which no gradient reaches. */
export type Role = "weight" | "bias" | "gamma" | "beta" | "mean" | "variance";

export interface Parameter extends Value {
  readonly role: Role;
  /** Stays as it is in training, whatever its role (nn/freeze.ts). */
  readonly frozen?: true;
  /** What it begins with where that is not what its role begins with (weights/init.ts). */
  readonly initial?: Initial;
}

/**
 * What a parameter begins with: one number everywhere, or numbers at random around 0. `cutNormal` has nothing beyond two
 * deviations of the normal distribution that it is cut from; `orthonormal` filters are, for each output, an orthonormal
 * matrix of input channels by kernel positions.
 */
export type Initial =
  | number
  | { readonly kind: "normal" | "cutNormal" | "orthonormal"; readonly deviation: number }
  | { readonly kind: "uniform"; readonly bound: number };

/** A part of a network that repeats: a residual block, an Inception module. */
export interface Block {
  readonly name: string;
  /** Blocks of one picture size are one stage; counted from 1. */
  readonly stage: number;
}

/** What a node is to its network, beyond its operation. */
export type Tag =
  | "se.squeeze" // the mean over the positions that begins a squeeze-and-excitation block
  | "se.gate" // the sigmoid that ends it
  | "features" // what the classifier sees of the picture, [N, features]
  | "head"; // the classifier

/** Where a node stands. Passes and reports go by this, never by names. */
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
  /** Bound once, by name, to the weights. */
  readonly parameters: readonly Parameter[];
  /** In an order in which each node's inputs come before it. */
  readonly nodes: readonly AnyNode[];
  /** What a run gives back, by name. */
  readonly outputs: ReadonlyMap<string, Value>;
  /** After a run these parameters hold these values (running statistics). */
  readonly updates: ReadonlyMap<Parameter, Value>;
}

export const isTrainable = ({ role, frozen }: Parameter): boolean =>
  frozen !== true && role !== "mean" && role !== "variance";

/** `float32[1, 3, 224, 224]` */
export const formatType = (type: Type): string => `${type.dtype}[${type.shape.join(", ")}]`;
