/**
 * Converts weights of convolutions: merges and splits groups, reverses taps. In TypeScript, since the arrays are small.
 */

import type { TensorData } from "../../tensor.ts";

/** `w [O, I/groups, K...]` of a grouped convolution as that of `groups / merge` groups, with zeros between the old ones. */
export function mergeGroups<T extends TensorData>(shape: GroupShape, from: TensorData, into: T): T {
  eachGroupRow(shape, (small, large, length) => into.set(from.subarray(small, small + length), large));
  return into;
}

/** The reverse; gradients of the zeros are dropped. */
export function splitGroups(shape: GroupShape, from: Float32Array, into: Float32Array): void {
  eachGroupRow(shape, (small, large, length) => into.set(from.subarray(large, large + length), small));
}

export interface GroupShape {
  /** Output channels of all groups. */
  readonly out: number;
  readonly groups: number;
  /** Number of groups merged into one. */
  readonly merge: number;
  /** Input channels of one group, times the kernel's area. */
  readonly row: number;
}

function eachGroupRow(
  { out, groups, merge, row }: GroupShape,
  copy: (small: number, large: number, n: number) => void,
) {
  const outOfGroup = out / groups;
  for (let o = 0; o < out; o++) {
    const place = Math.floor(o / outOfGroup) % merge;
    copy(o * row, (o * merge + place) * row, row);
  }
}

/** Reverses the taps of each pair of channel blocks; a tap is `size` numbers. */
export function turnTaps(from: Float32Array, into: Float32Array, taps: number, size: number): void {
  for (let start = 0; start < from.length; start += taps * size) {
    for (let tap = 0; tap < taps; tap++) {
      const at = start + tap * size;
      into.set(from.subarray(at, at + size), start + (taps - 1 - tap) * size);
    }
  }
}
