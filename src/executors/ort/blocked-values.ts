/** What a blocked activation (blocks.ts) is until its values are needed: an expression, or a convolution. */

import type { Value } from "../../ir/graph.ts";

/** A factor or summand for each channel, `[1,C]`, or for each sample and channel, `[N,C]`. */
export interface Vector {
  readonly name: string;
  readonly perSample: boolean;
}

/** `scale·base + shift + plus`, blocked; absent parts are one or zero. */
export interface Expression {
  readonly base?: string;
  readonly scale?: Vector;
  readonly shift?: Vector;
  readonly plus?: string;
}

/**
 * A convolution deferred until its only reader is known, which may be folded into it: a batch norm, a sum, a ReLU. `x`
 * is blocked (or NCHW if it has fewer channels than a block); `weight` is `[O,I,KH,KW]` in the usual layout, with I
 * channels per group.
 */
export interface Convolution {
  /** The operation it belongs to. */
  readonly scope: string;
  readonly x: string;
  readonly weight: string;
  readonly shape: Extents;
  readonly groups: number;
  /** Whether it computes an input gradient, with the weight transposed and rotated. */
  readonly backward: boolean;
  readonly bias?: string;
  readonly strides: readonly [number, number];
  readonly pads: readonly number[];
  readonly plus?: string;
}

export type Extents = readonly [n: number, c: number, height: number, width: number];
export const extentsOf = (value: Value): Extents => value.type.shape as unknown as Extents;
