/** Weights of convolutions in other forms: groups put together and taken apart, taps turned round. Small arrays, in TypeScript. */

import type { TensorData } from "../../tensor.ts";

/** `w [O, I/groups, K...]` of a grouped convolution as that of `groups / merge` groups, with zeros between the old ones. */
export function mergeGroups<T extends TensorData>(shape: GroupShape, from: TensorData, into: T): T {
  eachGroupRow(shape, (small, large, length) => into.set(from.subarray(small, small + length), large));
  return into;
}

/** The reverse: what the zeros' gradients are is nobody's business. */
export function splitGroups(shape: GroupShape, from: Float32Array, into: Float32Array): void {
  eachGroupRow(shape, (small, large, length) => into.set(from.subarray(large, large + length), small));
}

export interface GroupShape {
  /** Output channels of all groups. */
  readonly out: number;
  readonly groups: number;
  /** How many of them become one. */
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

/** The taps of each pair of channel blocks in the opposite order; a tap is `size` numbers. */
export function turnTaps(from: Float32Array, into: Float32Array, taps: number, size: number): void {
  for (let start = 0; start < from.length; start += taps * size) {
    for (let tap = 0; tap < taps; tap++) {
      const at = start + tap * size;
      into.set(from.subarray(at, at + size), start + (taps - 1 - tap) * size);
    }
  }
}
