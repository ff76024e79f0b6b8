/** Writes safetensors files. */

import { SenetError } from "../errors.ts";
import { bytesPerElement, type DType, sizeOf, type Tensor } from "../tensor.ts";
import type { ElementType } from "./bytes.ts";
import { toHalves } from "./half.ts";

const dtypeNames: Readonly<Record<DType, ElementType>> = {
  float32: "F32",
  float64: "F64",
  int32: "I32",
  int8: "I8",
  uint8: "U8",
};

/**
 * Encodes a file as chunks to be written one after another: the header, then each tensor's bytes, which are views of
 * its data. Equal tensors and metadata give equal bytes, whatever the order of the maps: wider dtypes come first, so
 * that all tensors are aligned, then names in order.
 * @param isHalf chooses float32 tensors to be written as F16, in copies
 * @throws SenetError `weights` where a tensor is named `__metadata__` or its data does not fill its shape
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: ReadonlyMap<string, string>,
  isHalf: (tensor: Tensor) => boolean = () => false,
): Uint8Array[] {
  const byName = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  const width = (tensor: Tensor) => (isHalf(tensor) ? 2 : bytesPerElement[tensor.dtype]);
  const ordered = [...tensors].sort(([a, one], [b, other]) => width(other) - width(one) || byName(a, b));
  const entries: string[] = [];
  if (metadata.size > 0) {
    const strings = [...metadata].sort(([a], [b]) => byName(a, b));
    entries.push(`"__metadata__":{${strings.map((pair) => pair.map((s) => JSON.stringify(s)).join(":")).join(",")}}`);
  }
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (const [name, tensor] of ordered) {
    const { shape } = tensor;
    const data = isHalf(tensor) ? toHalves(tensor.data) : tensor.data;
    const dtype = isHalf(tensor) ? "F16" : dtypeNames[tensor.dtype];
    if (name === "__metadata__") throw new SenetError("weights", "no tensor can have this name", { where: name });
    if (data.length !== sizeOf(shape)) {
      throw new SenetError("weights", "the data does not fill the shape", {
        where: name,
        expected: `${sizeOf(shape)} values for [${shape.join(", ")}]`,
        found: `${data.length} values`,
      });
    }
    const end = offset + data.byteLength;
    entries.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, end] })}`);
    chunks.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    offset = end;
  }
  const text = new TextEncoder().encode(`{${entries.join(",")}}`);
  const padded = Math.ceil(text.length / 8) * 8;
  const head = new Uint8Array(8 + padded).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true);
  head.set(text, 8);
  return [head, ...chunks];
}
