/** Makes tensors of the storages that PyTorch keeps outside its pickles. */

import { sizeOf, type Tensor, type TensorData } from "../tensor.ts";
import { type ElementType, elementBytes, type Fail, fetchAgain, readElements, shownName } from "./bytes.ts";
import { readableBy, type StorageRef, type TensorRef } from "./torch-values.ts";

/** A storage's bytes, and its decoded elements. */
export interface Storage {
  readonly bytes: Uint8Array;
  /** Elements, decoded on demand; several tensors may share them. */
  values?: { readonly type: ElementType; readonly data: TensorData };
}
export type Storages = ReadonlyMap<string, Storage>;

/** Allowance for copies made from a file. */
export interface Made {
  /** Bytes that may still be created by inflating, widening and copying. */
  left: number;
}

function spend(made: Made, bytes: number, fail: Fail): void {
  made.left -= bytes;
  if (made.left < 0) fail("the tensors need far more memory than the file has bytes", { hint: fetchAgain });
}

/** Creates the tensor. @throws through `fail` where it exceeds its storage, or cannot be represented */
export function materialise(tensor: TensorRef, storages: Storages, made: Made, fail: Fail): Tensor {
  const { storage, offset, shape, strides, type } = tensor;
  if (storage === undefined || type === undefined) {
    const found = tensor.unreadable!;
    return fail("a tensor cannot be read", { found, hint: readableBy(found) });
  }
  const values = storageValues(storage, type, storages, made, fail);
  const size = sizeOf(shape);
  let last = offset;
  let contiguous = 1;
  let isContiguous = true;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    last += Math.max(0, shape[axis]! - 1) * strides[axis]!;
    if (shape[axis] !== 1 && strides[axis] !== contiguous) isContiguous = false;
    contiguous *= shape[axis]!;
  }
  const isInside = size === 0 ? offset <= values.length : last < values.length;
  if (!isInside) {
    fail("it is not inside its storage", {
      expected: `at most ${values.length} elements`,
      found: `[${shape.join(", ")}] with strides [${strides.join(", ")}] from ${offset}`,
      hint: fetchAgain,
    });
  }
  let data: TensorData;
  if (isContiguous || size === 0) data = values.subarray(offset, offset + size);
  else {
    // Expanded tensors (stride 0) may be larger than their storage.
    spend(made, size * values.BYTES_PER_ELEMENT, fail);
    data = strided(values, tensor, size);
  }
  const dtype = data instanceof Float32Array ? "float32" : data instanceof Float64Array ? "float64" : "int32";
  return { dtype, shape, data };
}

/** For a value whose bytes are in the pickle. */
function ownStorage(content: () => Uint8Array | undefined, needed: number, made: Made, fail: Fail): Storage {
  spend(made, needed, fail);
  return { bytes: content()! };
}

function storageValues(ref: StorageRef, type: ElementType, storages: Storages, made: Made, fail: Fail): TensorData {
  const needed = (ref.offset + ref.length) * ref.element.bytes;
  const storage = ref.content === undefined ? storages.get(ref.key) : ownStorage(ref.content, needed, made, fail);
  if (storage === undefined || needed > storage.bytes.length) {
    return fail("its storage is not in the file, or not all of it", {
      expected: `${needed} bytes`,
      found: storage === undefined ? `no storage ${shownName(ref.key)}` : `${storage.bytes.length}`,
      hint: fetchAgain,
    });
  }
  if (storage.values === undefined) {
    const length = Math.floor(storage.bytes.length / elementBytes[type]);
    // Possible copies count as copies, so that the result does not depend on the file's alignment in memory.
    spend(made, length * Math.max(4, elementBytes[type]), fail);
    storage.values = { type, data: readElements(type, storage.bytes, 0, length, fail) };
  }
  if (storage.values.type !== type) fail("its storage is one of another type", { hint: fetchAgain });
  const scale = ref.element.bytes / elementBytes[type];
  return storage.values.data.subarray(ref.offset * scale, Math.floor((ref.offset + ref.length) * scale));
}

/** The elements in row-major order; all are within `values`. */
function strided(values: TensorData, { offset, shape, strides }: TensorRef, size: number): TensorData {
  const data = new (values.constructor as { new (length: number): TensorData })(size);
  const inner = shape.length - 1;
  const length = shape[inner]!;
  const stride = strides[inner]!;
  const index = shape.map(() => 0);
  let start = offset;
  for (let row = 0; row < size; row += length) {
    for (let i = 0, from = start; i < length; i++, from += stride) data[row + i] = values[from]!;
    for (let axis = inner - 1; axis >= 0; axis--) {
      start += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      start -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return data;
}
