/** Helpers for the rules of training and eight bits. */

import { type Emitter, microsoft } from "./emitter.ts";

/** A matrix product over the last two of `rank` axes, with one operand transposed. */
export function product(
  emit: Emitter,
  left: string,
  right: string,
  rank: number,
  transposed: "left" | "right",
): string {
  if (emit.dialect === "cpu") {
    const attributes = { [transposed === "left" ? "transA" : "transB"]: { int: 1 } };
    return emit.node("FusedMatMul", [left, right], attributes, microsoft);
  }
  const perm = Array.from({ length: rank }, (_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
  const turned = (matrix: string) => emit.node("Transpose", [matrix], { perm: { ints: perm } });
  return emit.node("MatMul", transposed === "left" ? [turned(left), right] : [left, turned(right)]);
}

/** The zero point in eight bits. */
export function zeroPoint(emit: Emitter, dtype: "int8" | "uint8", value = 0): string {
  return emit.constant(`${dtype}(${value})`, [], () => (dtype === "int8" ? Int8Array : Uint8Array).of(value));
}

/** A constant float32 tensor filled with one value. */
export function filled(emit: Emitter, shape: readonly number[], value: number): string {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return emit.constant(`float32[${shape.join(",")}]×${value}`, shape, () => new Float32Array(size).fill(value));
}

/** A constant float32 `[n,1,n,1]`: 1 where the two indices are the same, else 0. */
export function diagonal(emit: Emitter, n: number): string {
  return emit.constant(`float32 diagonal(${n})`, [n, 1, n, 1], () =>
    Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)),
  );
}
