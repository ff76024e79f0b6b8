/** Tensors: typed data with a shape, passed between files, data loaders and executors. Row-major, no strides, no device. */

import { SenetError } from "./errors.ts";

/** `int8` and `uint8` are what quantised networks are stored and computed in (ir/ops.ts, `quantize`). */
export type DType = "float32" | "float64" | "int32" | "int8" | "uint8";
export type Shape = readonly number[];
export type TensorData = Float32Array | Float64Array | Int32Array | Int8Array | Uint8Array;

export interface Tensor {
  readonly dtype: DType;
  readonly shape: Shape;
  /** Row-major values; its length is the product of `shape`. */
  readonly data: TensorData;
}

/** The number of elements of a shape; 1 for a scalar (`[]`). */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

/** The shape without its dimensions of 1. */
export const withoutOnes = (shape: Shape): Shape => shape.filter((extent) => extent !== 1);

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i]);
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
} as const;

export const bytesPerElement: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  int32: 4,
  int8: 1,
  uint8: 1,
};

export function dtypeOf(data: TensorData): DType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Float64Array) return "float64";
  if (data instanceof Int8Array) return "int8";
  return data instanceof Uint8Array ? "uint8" : "int32";
}

/** A new tensor of zeros. */
export function zeros(dtype: DType, shape: Shape): Tensor {
  return { dtype, shape, data: new arrays[dtype](sizeOf(shape)) };
}

/**
 * A tensor over existing data, which is not copied.
 * @throws SenetError `shape` where the number of values is not the product of the shape.
 */
export function tensor(shape: Shape, data: TensorData): Tensor {
  if (data.length !== sizeOf(shape)) {
    throw new SenetError("shape", "data does not fill the shape", {
      expected: `${sizeOf(shape)} values for [${shape.join(", ")}]`,
      found: `${data.length} values`,
    });
  }
  return { dtype: dtypeOf(data), shape, data };
}

/** A copy with its own memory. */
export const copyOf = ({ dtype, shape, data }: Tensor): Tensor => ({ dtype, shape, data: data.slice() });

/** Multiplies every value in place. */
export function scaleInPlace(data: TensorData, factor: number): void {
  for (let i = 0; i < data.length; i++) data[i] = data[i]! * factor;
}

/** False where any value is infinite or not a number. */
export function allFinite({ data }: Pick<Tensor, "data">): boolean {
  // An infinity or a NaN survives any sum. Four independent sums run in parallel on the processor.
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = 0;
  for (; i + 3 < data.length; i += 4) {
    a += data[i]!;
    b += data[i + 1]!;
    c += data[i + 2]!;
    d += data[i + 3]!;
  }
  for (; i < data.length; i++) a += data[i]!;
  return Number.isFinite(a + b + c + d);
}
