/**
 * Reads MXNet's lists of arrays (`.params`), of every version: V0 until May 2017, V1 in 0.11, V2 since 0.12, V3 with
 * NumPy's shapes.
 *
 * Format: `NDArray::Save` and `Load` in https://github.com/apache/mxnet/blob/master/src/ndarray/ndarray.cc
 */

import { dtypeOf, sizeOf, type Tensor } from "../tensor.ts";
import { readAnyElements } from "./any-elements.ts";
import { damagedAt, type ElementType, elementBytes, type FailWhole, shownName } from "./bytes.ts";

/** The list's magic number, and a reserved zero. */
const listMark = [0x12, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

export const isMxnetParams = (bytes: Uint8Array): boolean => listMark.every((byte, i) => bytes[i] === byte);

/** Magic number of an array since V1; before, it started with its number of dimensions. */
const marks: ReadonlyMap<number, 1 | 2 | 3> = new Map([
  [0xf993fac8, 1],
  [0xf993fac9, 2],
  [0xf993faca, 3],
]);

/** MXNet's type numbers. */
const types: Readonly<Record<number, ElementType>> = {
  0: "F32",
  1: "F64",
  2: "F16",
  3: "U8",
  4: "I32",
  5: "I8",
  6: "I64",
  7: "BOOL",
  8: "I16",
  9: "U16",
  10: "U32",
  11: "U64",
  12: "BF16",
};

/** MXNet's limit. */
const mostAxes = 32;

/**
 * The arrays by name, such as `arg:conv0_weight`; without names, by index: `0`, `1`, and so on. float32, float64 and
 * int32 are views if aligned.
 * @param where the file's name, for errors
 * @throws SenetError `weights` where the file is damaged, or an array is sparse
 */
export function parseMxnetParams(bytes: Uint8Array, where: string): Map<string, Tensor> {
  const fail = damagedAt(where);
  if (!isMxnetParams(bytes)) {
    fail("this is not a list of MXNet's arrays", {
      expected: "its magic number, 0x112, and a zero",
      found: `${bytes.length} bytes that begin differently`,
    });
  }
  const reader = new Reader(bytes, fail);
  reader.skip(listMark.length, "the list's mark");
  const count = reader.u64("the number of arrays");
  // The shortest array is only a magic number.
  if (count > bytes.length / 4) {
    fail("the list has more arrays than it can hold", {
      expected: `at most ${Math.floor(bytes.length / 4)}`,
      found: `${count}`,
    });
  }
  const arrays = Array.from({ length: count }, (_, i) => readArray(reader, `array ${i}`));
  const names = namesIn(reader, count);
  if (!reader.isAtEnd) {
    fail("there are bytes after the names", { expected: "none", found: `${bytes.length - reader.position}` });
  }
  const tensors = new Map<string, Tensor>();
  for (const [i, tensor] of arrays.entries()) {
    const name = names[i] ?? `${i}`;
    if (tensors.has(name)) {
      fail("two arrays have one name", { expected: "a name for each array", found: `${shownName(name)} twice` });
    }
    tensors.set(name, tensor);
  }
  return tensors;
}

function namesIn(reader: Reader, arrays: number): string[] {
  const count = reader.u64("the number of names");
  if (count !== 0 && count !== arrays) {
    reader.fail("there are not as many names as arrays", { expected: `0 or ${arrays}`, found: `${count}` });
  }
  return Array.from({ length: count }, (_, i) => {
    const length = reader.u64(`the length of name ${i}`);
    return decoder.decode(reader.bytes(length, `name ${i}`));
  });
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function readArray(reader: Reader, what: string): Tensor {
  const first = reader.u32(what);
  const version = marks.get(first) ?? 0;
  const { fail } = reader;
  if (version >= 2) {
    const storage = reader.i32(what);
    if (storage !== 0 && storage !== -1) {
      fail(`${what} is sparse, which weights of these networks never are`, {
        expected: "storage type 0, dense",
        found: `${storage === 1 ? "row-sparse" : storage === 2 ? "CSR" : storage}`,
        hint: "in MXNet: array.tostype('default'), and save again",
      });
    }
  }
  const axes = version === 0 ? first : version === 3 ? reader.i32(what) : reader.u32(what);
  // Unknown shape, or a V0 array without dimensions: nothing follows.
  if (axes === -1 || (axes === 0 && version < 3)) return { dtype: "float32", shape: [0], data: new Float32Array() };
  if (axes < 0 || axes > mostAxes) {
    fail(`${what} has an unlikely number of axes`, { expected: `at most ${mostAxes}`, found: `${axes}` });
  }
  const shape = Array.from({ length: axes }, () => (version === 0 ? reader.u32(what) : reader.i64(what)));
  if (shape.some((extent) => extent < 0)) {
    fail(`${what} has a negative extent`, { expected: "0 or more", found: `[${shape.join(", ")}]` });
  }
  // Device type and number.
  reader.skip(8, what);
  const code = reader.i32(what);
  const type = types[code];
  if (type === undefined) {
    return fail(`${what} is of an unknown type`, { expected: Object.keys(types).join(", "), found: `${code}` });
  }
  const size = sizeOf(shape);
  const data = readAnyElements(type, reader.bytes(size * elementBytes[type], `${what} [${shape.join(", ")}]`), 0, size);
  return { dtype: dtypeOf(data), shape, data };
}

/** Reads the file sequentially. */
class Reader {
  position = 0;
  readonly fail: FailWhole;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, fail: FailWhole) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.fail = fail;
  }

  get isAtEnd(): boolean {
    return this.position === this.#bytes.length;
  }

  skip(length: number, what: string): number {
    const left = this.#bytes.length - this.position;
    if (length > left) this.fail(`the file ends within ${what}`, { expected: `${length} bytes`, found: `${left}` });
    this.position += length;
    return this.position - length;
  }

  bytes(length: number, what: string): Uint8Array {
    const start = this.skip(length, what);
    return this.#bytes.subarray(start, start + length);
  }

  u32 = (what: string): number => this.#view.getUint32(this.skip(4, what), true);
  i32 = (what: string): number => this.#view.getInt32(this.skip(4, what), true);
  /** Rounded beyond 2^53, but still larger than any file. */
  u64 = (what: string): number => Number(this.#view.getBigUint64(this.skip(8, what), true));
  i64 = (what: string): number => Number(this.#view.getBigInt64(this.skip(8, what), true));
}
