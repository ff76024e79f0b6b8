/**
 * Weights `[O,I,KH,KW]` as the blocked kernels want them: in their layouts, and with groups merged until they fill blocks.
 */

import type { Extents, Vector } from "./blocked-values.ts";
import { diagonal } from "./emit-others.ts";
import type { Emitter } from "./emitter.ts";

export class BlockedWeights {
  /** Number of channels in a block. */
  readonly size: number;
  readonly emit: Emitter;

  constructor(size: number, emit: Emitter) {
    this.size = size;
    this.emit = emit;
  }

  /**
   * Number of groups to merge into one, padded with zeros, so that no block spans two groups: a ResNeXt's groups have 4
   * or more channels, a block 8 or 16. Undefined if no number works.
   * @param shape the weight's, `[O,I,KH,KW]` with I channels per group
   */
  groupsToMerge([o, i]: Extents, groups: number): number | undefined {
    for (let merged = 1; merged <= groups; merged++) {
      const fit = groups % merged === 0 && (i * merged) % this.size === 0 && ((o / groups) * merged) % this.size === 0;
      if (fit) return merged;
    }
    return undefined;
  }

  /** The weight of a convolution with merged groups: `[O, I, KH, KW] → [O, I·merged, KH, KW]`. */
  mergeGroups(w: string, [o, i, kh, kw]: Extents, groups: number, merged: number): string {
    if (merged === 1) return w;
    const { emit } = this;
    const taps = i * kh * kw;
    const rows = emit.node("Reshape", [w, emit.ints(groups / merged, merged, o / groups, 1, taps)]);
    const blocks = emit.node("Mul", [rows, diagonal(emit, merged)]);
    return emit.node("Reshape", [blocks, emit.ints(o, i * merged, kh, kw)]);
  }

  /** The reverse: extracts the original groups from a merged weight. Shape and groups are the result's. */
  splitGroups(w: string, [o, i, kh, kw]: Extents, groups: number, merged: number): string {
    if (merged === 1) return w;
    const { emit } = this;
    const taps = i * kh * kw;
    const rows = emit.node("Reshape", [w, emit.ints(groups / merged, merged, o / groups, merged, taps)]);
    const blocks = emit.node("Mul", [rows, diagonal(emit, merged)]);
    const sum = emit.node("ReduceSum", [blocks, emit.ints(3)], { keepdims: { int: 0 } });
    return emit.node("Reshape", [sum, emit.ints(o, i, kh, kw)]);
  }

  /** `[O/b, I/b, KH, KW, b of I, b of O]`, under the nominal shape of the weight. */
  forwardWeight(w: string, shape: Extents): string {
    const { emit, size } = this;
    const [o, i, kh, kw] = shape;
    const taps = kh * kw;
    const rows = emit.node("Reshape", [w, emit.ints(o / size, size, i * taps)]);
    let blocks = emit.node("Transpose", [rows], { perm: { ints: [0, 2, 1] } });
    // With fewer channels than a block, the kernel reads the input as NCHW, and the weight is [O/b, I, KH, KW, b of O].
    if (taps > 1 && i >= size) {
      const parts = emit.node("Reshape", [blocks, emit.ints((o / size) * (i / size), size, taps, size)]);
      blocks = emit.node("Transpose", [parts], { perm: { ints: [0, 2, 1, 3] } });
    }
    return emit.node("Reshape", [blocks, emit.ints(...shape)]);
  }

  /**
   * The kernel of an input gradient, rotated by 180 degrees: for each group `[I/b, O/b, KH, KW, b of O, b of I]` as
   * `[I,O,KH,KW]`.
   */
  backwardWeight(w: string, [outputs, i, kh, kw]: Extents, groups: number): string {
    const { emit, size } = this;
    const taps = kh * kw;
    const o = outputs / groups;
    let tapped = w;
    if (taps > 1) {
      const parts = emit.node("Reshape", [w, emit.ints((outputs * i) / size, size, taps)]);
      tapped = emit.node("Transpose", [parts], { perm: { ints: [0, 2, 1] } });
    }
    const parts = emit.node("Reshape", [tapped, emit.ints(groups, o / size, size, i / size, taps, size)]);
    let blocks = emit.node("Transpose", [parts], { perm: { ints: [0, 3, 1, 4, 2, 5] } });
    if (taps > 1) {
      const backwards = Array.from({ length: taps }, (_, tap) => taps - 1 - tap);
      blocks = emit.node("Gather", [blocks, emit.ints(...backwards)], { axis: { int: 3 } });
    }
    return emit.node("Reshape", [blocks, emit.ints(groups * i, o, kh, kw)]);
  }

  /** A weight `[O,I,KH,KW]` with each output channel scaled. */
  scaleRows(w: string, scale: Vector): string {
    return this.emit.node("Mul", [w, this.emit.node("Reshape", [scale.name, this.emit.ints(-1, 1, 1, 1)])]);
  }
}
