/** Shared by tests of weight readers: golden facts, small files, and checks of errors. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { deflateRawSync } from "node:zlib";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { SenetError } from "../src/errors.ts";
import type { Tensor } from "../src/tensor.ts";
import { golden } from "./support.ts";

/** Facts about an array, from golden/make_weights.py. */
export interface Facts {
  readonly shape: readonly number[];
  readonly sum: number;
  readonly abs: number;
  readonly at: Readonly<Record<string, number>>;
}

export interface GoldenWeights {
  readonly torch: Readonly<Record<string, Readonly<Record<string, Facts>>>>;
  readonly caffe: Readonly<Record<string, { readonly name: string; readonly layers: readonly GoldenLayer[] }>>;
  readonly onnx: Readonly<Record<string, Readonly<Record<string, Facts>>>>;
}

export interface GoldenLayer {
  readonly name: string;
  readonly type: string;
  readonly bottoms: readonly string[];
  readonly tops: readonly string[];
  readonly blobs: readonly Facts[];
}

export const goldenWeights = (): GoldenWeights => JSON.parse(readFileSync(golden("weights.json"), "utf8"));

/** A file's bytes in their own buffer, not in Node's pool for small ones: views are aligned as in large files. */
export const bytesOf = (path: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(path));

export function assertFacts({ shape, data }: Tensor, facts: Facts, what: string): void {
  assert.deepEqual(shape, facts.shape, `${what}: shape`);
  for (const [i, value] of Object.entries(facts.at)) assert.equal(data[Number(i)], value, `${what}: value ${i}`);
  let sum = 0;
  let abs = 0;
  for (const value of data) {
    sum += value;
    abs += Math.abs(value);
  }
  // The order of summation differs.
  assert.ok(Math.abs(sum - facts.sum) <= 1e-12 * facts.abs, `${what}: sum ${sum}, expected ${facts.sum}`);
  assert.ok(Math.abs(abs - facts.abs) <= 1e-12 * facts.abs, `${what}: absolute sum ${abs}, expected ${facts.abs}`);
}

export function assertAllFacts(
  tensors: ReadonlyMap<string, Tensor>,
  facts: Readonly<Record<string, Facts>>,
  what: string,
): void {
  assert.deepEqual([...tensors.keys()].sort(), Object.keys(facts).sort(), `${what}: names`);
  for (const [name, tensor] of tensors) assertFacts(tensor, facts[name]!, `${what}: ${name}`);
}

/** Asserts that reading fails with a SenetError `weights` whose message contains all of `parts`. */
export async function refused(read: () => unknown, ...parts: string[]): Promise<SenetError> {
  let result: unknown;
  try {
    result = await read();
  } catch (error) {
    assert.ok(error instanceof SenetError, `a SenetError, not ${error instanceof Error ? error.stack : error}`);
    assert.equal(error.code, "weights");
    for (const part of parts) assert.ok(error.message.includes(part), `"${part}" is not in: ${error.message}`);
    return error;
  }
  return assert.fail(`was not refused, but read as ${String(result)}`);
}

/** Protobuf messages, as nested arrays: [field, value]. */
export type Fields = readonly (readonly [field: number, value: ProtoValue])[];
export type ProtoValue =
  | number
  | string
  | Uint8Array
  | Fields
  | { readonly float: number }
  | { readonly double: number }
  | { readonly packed: readonly number[] };

/** Numbers are varints; packed floats are given as bytes. */
export function proto(fields: Fields): Uint8Array<ArrayBuffer> {
  const w = new BinaryWriter();
  write(w, fields);
  return new Uint8Array(w.finish());
}

function write(w: BinaryWriter, fields: Fields): void {
  for (const [field, value] of fields) {
    if (typeof value === "number") w.tag(field, WireType.Varint).int64(value);
    else if (typeof value === "string") w.tag(field, WireType.LengthDelimited).string(value);
    else if (value instanceof Uint8Array) w.tag(field, WireType.LengthDelimited).bytes(value);
    else if ("float" in value) w.tag(field, WireType.Bit32).float(value.float);
    else if ("double" in value) w.tag(field, WireType.Bit64).double(value.double);
    else {
      w.tag(field, WireType.LengthDelimited).fork();
      if ("packed" in value) for (const item of value.packed) w.int64(item);
      else write(w, value);
      w.join();
    }
  }
}

export const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
export const doubles = (...values: number[]): Uint8Array => new Uint8Array(Float64Array.from(values).buffer);

/** A BlobProto. */
export const blob = (shape: readonly number[], ...values: number[]): Fields => [
  [7, [[1, { packed: shape }]]],
  [5, floats(...values)],
];

/** A network of a convolution, its batch normalisation with a scale factor of 4, and a layer without weights. */
export const smallCaffemodel = (): Uint8Array<ArrayBuffer> =>
  proto([
    [1, "small"],
    [3, "data"],
    [8, [[1, { packed: [1, 1, 4, 4] }]]],
    [
      100,
      [
        [1, "conv/1"],
        [2, "Convolution"],
        [3, "data"],
        [4, "conv"],
        [10, 1],
        [
          106,
          [
            [1, 2],
            [2, 0],
            [3, 1],
            [4, 3],
            [6, 2],
            [
              7,
              [
                [1, "msra"],
                [8, 2],
              ],
            ],
            [15, 1],
          ],
        ],
        [7, blob([2, 1, 1, 1], 1, -2)],
      ],
    ],
    [
      100,
      [
        [1, "bn"],
        [2, "BatchNorm"],
        [
          139,
          [
            [1, 1],
            [3, { float: 2 ** -10 }],
          ],
        ],
        [7, blob([2], 8, 2)],
        [7, blob([2], 4, 16)],
        [7, blob([1], 4)],
      ],
    ],
    [
      100,
      [
        [1, "scale"],
        [2, "Scale"],
        [142, [[4, 1]]],
        [7, blob([2], 3, 5)],
        [7, blob([2], -1, 1)],
      ],
    ],
    [
      100,
      [
        [1, "relu"],
        [2, "ReLU"],
        [3, "conv"],
        [4, "conv"],
      ],
    ],
  ]);

export interface ZipPart {
  readonly name: string;
  readonly content: Uint8Array;
  /** 0 is stored, 8 deflated. */
  readonly method?: 0 | 8;
}

/** A ZIP archive; with `zip64`, all fields that can have 64 bits do. */
export function zip(
  parts: readonly ZipPart[],
  { comment = "", zip64 = false }: { comment?: string; zip64?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const u16 = (...values: number[]) => Buffer.from(Uint16Array.from(values).buffer);
  const u32 = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer);
  const u64 = (...values: number[]) => Buffer.from(BigUint64Array.from(values, BigInt).buffer);
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, method = 0 } of parts) {
    const packed = method === 8 ? deflateRawSync(content) : Buffer.from(content);
    const label = Buffer.from(name);
    const sizes = zip64 ? u32(0xffffffff, 0xffffffff) : u32(packed.length, content.length);
    const extra = zip64 ? Buffer.concat([u16(7, 2, 0), u16(1, 24), u64(content.length, packed.length, offset)]) : u16();
    const local = Buffer.concat([
      u32(0x04034b50),
      u16(20, 0, method, 0, 0),
      u32(0),
      u32(packed.length, content.length),
      u16(label.length, 0),
      label,
      packed,
    ]);
    directory.push(
      Buffer.concat([
        u32(0x02014b50),
        u16(20, 20, 0, method, 0, 0),
        u32(0),
        sizes,
        u16(label.length, extra.length, 0, 0, 0),
        u32(0, zip64 ? 0xffffffff : offset),
        label,
        extra,
      ]),
    );
    locals.push(local);
    offset += local.length;
  }
  const table = Buffer.concat(directory);
  const wideEnd = Buffer.concat([
    ...[u32(0x06064b50), u64(44), u16(45, 45), u32(0, 0), u64(parts.length, parts.length, table.length, offset)],
    ...[u32(0x07064b50, 0), u64(offset + table.length), u32(1)],
  ]);
  const note = Buffer.from(comment, "latin1");
  const end = zip64
    ? [u16(0, 0, 0xffff, 0xffff), u32(0xffffffff, 0xffffffff)]
    : [u16(0, 0, parts.length, parts.length), u32(table.length, offset)];
  const bytes = [...locals, table, ...(zip64 ? [wideEnd] : []), u32(0x06054b50), ...end, u16(note.length), note];
  return new Uint8Array(Buffer.concat(bytes));
}

/** Pickles, as their opcodes. */
export const pickle = {
  text: (value: string): number[] => [0x8c, value.length, ...Buffer.from(value)],
  int: (value: number): number[] => [0x4a, ...new Uint8Array(Int32Array.of(value).buffer)],
  global: (module: string, name: string): number[] => [0x63, ...Buffer.from(`${module}\n${name}\n`)],
  tuple: (...items: readonly (readonly number[])[]): number[] => [0x28, ...items.flat(), 0x74],
  list: (...items: readonly (readonly number[])[]): number[] => [0x28, ...items.flat(), 0x6c],
  dict: (items: readonly (readonly [string, readonly number[]])[]): number[] => [
    ...[0x7d, 0x28],
    ...items.flatMap(([name, value]) => [...pickle.text(name), ...value]),
    0x75,
  ],
  call: (callee: readonly number[], ...args: readonly (readonly number[])[]): number[] => [
    ...callee,
    ...pickle.tuple(...args),
    0x52,
  ],
  storage: (type: string, key: string, length: number): number[] => [
    ...pickle.tuple(
      pickle.text("storage"),
      pickle.global("torch", type),
      pickle.text(key),
      pickle.text("cpu"),
      pickle.int(length),
    ),
    0x51,
  ],
  tensor: (
    storage: readonly number[],
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ): number[] =>
    pickle.call(
      pickle.global("torch._utils", "_rebuild_tensor_v2"),
      storage,
      pickle.int(offset),
      pickle.tuple(...shape.map(pickle.int)),
      pickle.tuple(...strides.map(pickle.int)),
      [0x89],
      pickle.call(pickle.global("collections", "OrderedDict")),
    ),
  file: (value: readonly number[]): Uint8Array => Uint8Array.from([0x80, 2].concat(value, 0x2e)),
};

/** A file of torch.save's: an archive of the pickle and the storages. */
export const torchArchive = (
  value: readonly number[],
  storages: Readonly<Record<string, Uint8Array>>,
  method: 0 | 8 = 0,
): Uint8Array<ArrayBuffer> =>
  zip([
    { name: "x/data.pkl", content: pickle.file(value), method },
    ...Object.entries(storages).map(([key, content]) => ({ name: `x/data/${key}`, content, method })),
    { name: "x/version", content: Buffer.from("3\n"), method },
  ]);

export interface Hdf5Data {
  readonly shape: number[];
  readonly data: Float32Array | Float64Array | Int32Array;
}

/** An HDF5 file in the old layout, which Caffe's library writes, with these datasets. */
export async function smallHdf5(datasets: Readonly<Record<string, Hdf5Data>>): Promise<Uint8Array<ArrayBuffer>> {
  const { File, Group, ready } = await import("h5wasm");
  const { FS } = await ready;
  const path = "written.h5";
  const file = new File(path, "w", { libver: ["earliest", "latest"] });
  for (const [name, { shape, data }] of Object.entries(datasets)) {
    const parts = name.split("/");
    let group: InstanceType<typeof Group> = file;
    for (const part of parts.slice(0, -1)) {
      const inner = group.keys().includes(part) ? group.get(part) : group.create_group(part);
      assert.ok(inner instanceof Group);
      group = inner;
    }
    group.create_dataset({ name: parts.at(-1)!, data, shape });
  }
  file.close();
  const bytes = new Uint8Array(FS.readFile(path));
  FS.unlink(path);
  return bytes;
}
