/** What a fused node is: kinds with their attributes, and the operations that it holds. */

import type { AnyNode, Graph, Value } from "../../ir/graph.ts";
import type { Attrs, ConvAttrs, PoolAttrs } from "../../ir/ops.ts";

/** Kinds of fused nodes with their attributes; those that an operation has lent its name do what it does. */
export interface FusedAttrs extends Omit<Attrs, "seScale" | "seScaleAdd" | "seScaleBackward">, EightBitAttrs {
  /** With a workspace it keeps which value of each window was the largest. */
  maxPool: PoolAttrs & { readonly workspace: boolean };
  /** `gate [N,C,1,1], x [N,C,H,W] → gate · x`: forward the scale, backward the branch's gradient. */
  scale: {};
  /** `branch, dy → dgate [N,C,1,1]`: the sum of `dy · branch` over the positions. */
  gateGradient: {};
  /** `dy [N,C,1,1] → dy / positions`: what each position of a channel gets of the gradient of their mean. */
  share: { readonly positions: number };
}

export type FusedKind = keyof FusedAttrs;
export type Activation = "relu" | "sigmoid" | "silu" | "mish";

export interface FusedNode<K extends FusedKind = FusedKind> {
  readonly kind: K;
  readonly name: string;
  /** Of the operations that it holds, in the graph's order. */
  readonly ops: readonly AnyNode[];
  /** Those of the operation that it is called after; the gradient that comes in is the one before the activation's. */
  readonly inputs: readonly Value[];
  /** Added to the first output before the activation; `[N,C,1,1]` is the same for all positions of a channel. */
  readonly sum?: Value | undefined;
  /** Applied to the first output; of a backward node, what its gradient goes through on the way. */
  readonly activation?: Activation | undefined;
  readonly attrs: FusedAttrs[K];
  /** A gradient of weights may have a second one: the bias's. */
  readonly outputs: readonly Value[];
  /** The forward node whose primitive, and workspace, a backward one refers to. */
  readonly forward?: FusedNode | undefined;
}

export interface FusedGraph {
  readonly graph: Graph;
  /** In an order in which each node's inputs come before it. */
  readonly nodes: readonly FusedNode[];
}

/** TypeScript does not see that a kind and its attributes belong together. */
export const isOf = <K extends FusedKind>(node: FusedNode, kind: K): node is FusedNode<K> => node.kind === kind;

/** What results are divided by and rounded; absent: they are float32. */
interface Requantized {
  readonly dst?: number;
}

/** Kinds of nodes whose inputs are in eight bits, each with its factor. */
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
