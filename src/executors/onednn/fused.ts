/** Types of fused nodes: kinds with their attributes, and the operations they replace. */

import type { AnyNode, Graph, Value } from "../../ir/graph.ts";
import type { Attrs, ConvAttrs, PoolAttrs } from "../../ir/ops.ts";

/** Kinds of fused nodes with their attributes; a kind named like an operation does the same. */
export interface FusedAttrs extends Omit<Attrs, "seScale" | "seScaleAdd" | "seScaleBackward">, EightBitAttrs {
  /** With a workspace it records the position of each window's maximum. */
  maxPool: PoolAttrs & { readonly workspace: boolean };
  /** `gate [N,C,1,1], x [N,C,H,W] → gate · x`: forward the scale, backward the branch's gradient. */
  scale: {};
  /** `branch, dy → dgate [N,C,1,1]`: the sum of `dy · branch` over the positions. */
  gateGradient: {};
  /** `dy [N,C,1,1] → dy / positions`: each position's share of the gradient of a channel's mean. */
  share: { readonly positions: number };
}

export type FusedKind = keyof FusedAttrs;
export type Activation = "relu" | "sigmoid" | "silu" | "mish";

export interface FusedNode<K extends FusedKind = FusedKind> {
  readonly kind: K;
  readonly name: string;
  /** The operations it replaces, in graph order. */
  readonly ops: readonly AnyNode[];
  /** The inputs of the operation it is named after; an incoming gradient is the one before the activation's. */
  readonly inputs: readonly Value[];
  /** Added to the first output before the activation; `[N,C,1,1]` is broadcast over positions. */
  readonly sum?: Value | undefined;
  /** Applied to the first output; in a backward node, its gradient is applied. */
  readonly activation?: Activation | undefined;
  readonly attrs: FusedAttrs[K];
  /** A weight gradient may have the bias's as a second output. */
  readonly outputs: readonly Value[];
  /** For a backward node, the forward node whose primitive and workspace it needs. */
  readonly forward?: FusedNode | undefined;
}

export interface FusedGraph {
  readonly graph: Graph;
  /** Topologically sorted. */
  readonly nodes: readonly FusedNode[];
}

/** A cast: TypeScript does not see that a kind and its attributes belong together. */
export const isOf = <K extends FusedKind>(node: FusedNode, kind: K): node is FusedNode<K> => node.kind === kind;

/** The scale to which results are requantised; absent: they are float32. */
interface Requantized {
  readonly dst?: number;
}

/** Kinds of nodes with eight-bit inputs, and the inputs' scales. */
export interface EightBitAttrs {
  /** `q, w int8, scale of w [O], b?` */
  conv2dInt8: ConvAttrs & Requantized & { readonly src: number };
  /** `q, w int8, scale of w [O], b?` */
  linearInt8: Requantized & { readonly src: number };
  /** `gate float32, q → gate · q`, plus a sum in eight bits */
  scaleInt8: Requantized & { readonly src: number; readonly sum?: number };
  /** `q`, plus a sum in eight bits */
  addInt8: Requantized & { readonly src: number; readonly sum: number };
  maxPoolInt8: PoolAttrs;
  /** `q int8 [N,C,H,W] → [N,C,1,1]`, float32 */
  meanInt8: { readonly src: number };
}
