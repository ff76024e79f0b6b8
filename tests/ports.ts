/** What the tests of the ports' file formats share: small files as those programs write them, and facts of real ones. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { crc32c, maskedCrc } from "../src/crc32c.ts";
import { type Shape, sizeOf, type Tensor } from "../src/tensor.ts";
import { sharedData } from "./support.ts";
import { type Fields, proto, zip } from "./weights.ts";

const u16 = (value: number) => Buffer.from(Uint16Array.of(value).buffer);
const u32 = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer);

/** Of a real file, as `data/ports/facts` has them. */
interface PortFacts {
  readonly tensors: readonly TensorFacts[];
}

interface TensorFacts {
  readonly name: string;
  readonly dtype: string;
  readonly shape: Shape;
  readonly sum: number;
  readonly sumOfSquares: number;
  readonly first: readonly number[];
}

export const portFacts = (name: string): PortFacts =>
  JSON.parse(readFileSync(sharedData("ports", "facts", `${name}.json`), "utf8"));

/** Asserts that these are the tensors of the facts, all and no others, with text left out. */
export function assertPortFacts(tensors: ReadonlyMap<string, Tensor>, name: string): void {
  const facts = portFacts(name).tensors.filter(({ dtype }) => !/^(?:<U|\|S|str|string)/.test(dtype));
  assert.ok(facts.length > 0);
  assert.deepEqual([...tensors.keys()].sort(), facts.map(({ name }) => name).sort());
  for (const fact of facts) assertTensorFacts(tensors.get(fact.name)!, fact);
}

export function assertTensorFacts({ shape, data }: Tensor, facts: TensorFacts): void {
  const { name, sum, sumOfSquares, first } = facts;
  assert.deepEqual(shape, facts.shape, name);
  let [total, squares, size] = [0, 0, 0];
  for (const value of data) {
    total += value;
    squares += value * value;
    size += Math.abs(value);
  }
  // They are written with 12 digits.
  assert.ok(Math.abs(total - sum) <= 1e-9 * size + 1e-9, `${name}: sum ${total}, not ${sum}`);
  assert.ok(Math.abs(squares - sumOfSquares) <= 1e-9 * squares + 1e-9, `${name}: squares ${squares}`);
  for (const [i, value] of first.entries()) {
    assert.ok(Math.abs(data[i]! - value) <= 1e-8 * Math.abs(value), `${name}: ${data[i]} at ${i}, not ${value}`);
  }
}

export interface NpyOptions {
  readonly descr?: string;
  readonly fortran?: boolean;
  readonly version?: 1 | 2 | 3;
  /** In place of the whole header. */
  readonly header?: string;
}

/** NumPy's `.npy` of these bytes. */
export function npy(shape: Shape, data: Uint8Array, options: NpyOptions = {}): Uint8Array<ArrayBuffer> {
  const { descr = "<f4", fortran = false, version = 1 } = options;
  const extents = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const dict = `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': (${extents}), }`;
  const header = options.header ?? dict;
  const start = version === 1 ? 10 : 12;
  const padded = Buffer.from(`${header.padEnd(Math.ceil((header.length + 1 + start) / 64) * 64 - start - 1)}\n`);
  const length = version === 1 ? u16(padded.length) : u32(padded.length);
  return new Uint8Array(
    Buffer.concat([Buffer.of(0x93), Buffer.from("NUMPY"), Buffer.of(version, 0), length, padded, data]),
  );
}

/** A tensor of float32 in NumPy's file. */
export const npyOf = ({ shape, data }: Tensor): Uint8Array<ArrayBuffer> =>
  npy(shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));

/** `numpy.savez`, or `savez_compressed`. */
export const npz = (arrays: Iterable<readonly [string, Uint8Array]>, method: 0 | 8 = 0): Uint8Array<ArrayBuffer> =>
  zip([...arrays].map(([name, content]) => ({ name: `${name}.npy`, content, method })));

export const count = (shape: Shape): Float32Array => Float32Array.from({ length: sizeOf(shape) }, (_, i) => i + 0.5);

export interface MxnetArray {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Uint8Array;
  /** MXNet's number; default: 0, float32. */
  readonly type?: number;
  readonly storage?: number;
}

/** MXNet's list of arrays, as that version writes it. */
export function mxnetParams(
  arrays: readonly MxnetArray[],
  version: 0 | 1 | 2 | 3,
  named = true,
): Uint8Array<ArrayBuffer> {
  const u64 = (...values: number[]) => Buffer.from(BigUint64Array.from(values, BigInt).buffer);
  const marks = [[], [0xf993fac8], [0xf993fac9], [0xf993faca]];
  const parts = arrays.flatMap(({ shape, data, type = 0, storage = 0 }) => [
    u32(...marks[version]!),
    ...(version >= 2 ? [u32(storage)] : []),
    u32(shape.length),
    version === 0 ? u32(...shape) : u64(...shape),
    // On the second GPU, as training leaves it.
    u32(2, 1, type),
    data,
  ]);
  const names = named ? arrays.flatMap(({ name }) => [u64(Buffer.byteLength(name)), Buffer.from(name)]) : [];
  const list = [u64(0x112, 0, arrays.length), ...parts, u64(named ? arrays.length : 0), ...names];
  return new Uint8Array(Buffer.concat(list));
}

/** Values of MATLAB's, for `matlab5`. */
export type MatSource =
  | {
      readonly numbers: readonly number[];
      readonly shape?: Shape;
      readonly single?: true;
      readonly stored?: "u8" | "i16";
    }
  | { readonly text: string; readonly utf16?: true }
  | { readonly cell: readonly MatSource[]; readonly shape?: Shape }
  | { readonly structs: readonly Readonly<Record<string, MatSource>>[]; readonly names?: readonly string[] }
  | { readonly raw: Uint8Array };

const padded = (bytes: Uint8Array) => Buffer.concat([bytes, new Uint8Array((8 - (bytes.length % 8)) % 8)]);
const matElement = (type: number, bytes: Uint8Array): Buffer =>
  bytes.length > 0 && bytes.length <= 4 && type !== 14
    ? Buffer.concat([Buffer.from(Uint16Array.of(type, bytes.length).buffer), bytes, new Uint8Array(4 - bytes.length)])
    : Buffer.concat([u32(type, bytes.length), padded(bytes)]);
const bytesIn = (values: ArrayBufferView) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function matMatrix(name: string, source: MatSource): Buffer {
  if ("raw" in source) return Buffer.from(source.raw);
  const head = (type: number, shape: Shape) =>
    Buffer.concat([
      matElement(6, bytesIn(Uint32Array.of(type, 0))),
      matElement(5, bytesIn(Int32Array.from(shape))),
      matElement(1, Buffer.from(name, "latin1")),
    ]);
  const matrix = (...parts: readonly Buffer[]) => matElement(14, Buffer.concat(parts));
  if ("text" in source) {
    const { text, utf16 } = source;
    const data = utf16 ? matElement(17, Buffer.from(text, "utf16le")) : matElement(16, Buffer.from(text));
    return matrix(head(4, [text === "" ? 0 : 1, text.length]), data);
  }
  if ("cell" in source) {
    return matrix(head(1, source.shape ?? [1, source.cell.length]), ...source.cell.map((item) => matMatrix("", item)));
  }
  if ("structs" in source) {
    const names = source.names ?? Object.keys(source.structs[0] ?? {});
    const block = Buffer.concat(names.map((field) => Buffer.from(field.padEnd(32, "\0"), "latin1")));
    const items = source.structs.flatMap((struct) => names.map((field) => matMatrix("", struct[field]!)));
    const fields = [matElement(5, bytesIn(Int32Array.of(32))), matElement(1, block)];
    return matrix(head(2, [1, source.structs.length]), ...fields, ...items);
  }
  const { numbers, shape = [1, numbers.length], single, stored } = source;
  const data =
    stored === "u8"
      ? matElement(2, Uint8Array.from(numbers))
      : stored === "i16"
        ? matElement(3, bytesIn(Int16Array.from(numbers)))
        : single
          ? matElement(7, bytesIn(Float32Array.from(numbers)))
          : matElement(9, bytesIn(Float64Array.from(numbers)));
  return matrix(head(single ? 7 : 6, shape), data);
}

/** A file of MATLAB 5 with these variables, each compressed by zlib as MATLAB 7 does, or not. */
export function matlab5(variables: Readonly<Record<string, MatSource>>, compressed = false): Uint8Array<ArrayBuffer> {
  const header = Buffer.alloc(128, " ");
  header.write("MATLAB 5.0 MAT-file, written by a test");
  header.fill(0, 116, 124);
  header.set([0, 1, 0x49, 0x4d], 124);
  const elements = Object.entries(variables).map(([name, source]) => {
    const element = matMatrix(name, source);
    if (!compressed) return element;
    const packed = deflateSync(element);
    return Buffer.concat([u32(15, packed.length), packed]);
  });
  return new Uint8Array(Buffer.concat([header, ...elements]));
}

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];

/** A block of a LevelDB table; `unsnapped`: as Snappy with nothing to copy. */
function tableBlock(entries: readonly (readonly [string, Uint8Array])[], snappy: boolean): Uint8Array {
  const parts: number[] = [];
  let last = Buffer.alloc(0);
  for (const [i, [name, value]] of entries.entries()) {
    const key = Buffer.from(name);
    let shared = 0;
    // Every sixteenth stands alone, for searching.
    if (i % 16 > 0) while (shared < key.length && key[shared] === last[shared]) shared++;
    parts.push(
      ...varint(shared),
      ...varint(key.length - shared),
      ...varint(value.length),
      ...key.subarray(shared),
      ...value,
    );
    last = key;
  }
  const block = Buffer.concat([Uint8Array.from(parts), u32(0, 1)]);
  if (!snappy) return block;
  const pieces: Uint8Array[] = [Uint8Array.from(varint(block.length))];
  for (let at = 0; at < block.length; at += 60) {
    const piece = block.subarray(at, at + 60);
    pieces.push(Uint8Array.of((piece.length - 1) << 2), piece);
  }
  return Buffer.concat(pieces);
}

export interface BundleOptions {
  readonly snappy?: boolean;
  /** Entries in a block of the index; default: all. */
  readonly entriesInBlock?: number;
  readonly header?: Uint8Array;
}

export interface BundleTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Uint8Array;
  /** TensorFlow's number; default: 1, float32. */
  readonly dtype?: number;
}

/** A checkpoint of TensorFlow's as its Saver writes it: the index, and the values. */
export function bundle(tensors: readonly BundleTensor[], options: BundleOptions = {}) {
  const { snappy = false, entriesInBlock = Number.POSITIVE_INFINITY } = options;
  const sorted = tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const entries: (readonly [string, Uint8Array])[] = [
    [
      "",
      options.header ??
        proto([
          [1, 1],
          [3, [[1, 1]]],
        ]),
    ],
  ];
  let offset = 0;
  for (const { name, shape, data, dtype = 1 } of sorted) {
    const fields: Fields = [
      [1, dtype],
      [2, shape.map((extent) => [2, [[1, extent]]] as const)],
      ...(offset === 0 ? [] : [[4, offset] as const]),
      [5, data.length],
    ];
    entries.push([name, Buffer.concat([proto(fields), Buffer.of(0x35), u32(maskedCrc(crc32c(data)))])]);
    offset += data.length;
  }
  const file: Uint8Array[] = [];
  let end = 0;
  const put = (block: Uint8Array, kind: number) => {
    const whole = Buffer.concat([block, Uint8Array.of(kind)]);
    file.push(whole, u32(maskedCrc(crc32c(whole))));
    const handle = Uint8Array.from([...varint(end), ...varint(block.length)]);
    end += whole.length + 4;
    return handle;
  };
  const handles: (readonly [string, Uint8Array])[] = [];
  for (let i = 0; i < entries.length; i += entriesInBlock) {
    const part = entries.slice(i, i + entriesInBlock);
    handles.push([`${part.at(-1)![0]}\u0000`, put(tableBlock(part, snappy), snappy ? 1 : 0)]);
  }
  const feet = Buffer.concat([put(tableBlock([], false), 0), put(tableBlock(handles, false), 0)]);
  const footer = Buffer.alloc(40);
  footer.set(feet);
  const index = Buffer.concat([...file, footer, Buffer.of(0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb)]);
  return { index: new Uint8Array(index), data: new Uint8Array(Buffer.concat(sorted.map(({ data }) => data))) };
}

/** A DagNN of one convolution in version 7.3: HDF5 whose structs are groups, and whose lists are references. */
export async function matlab73(): Promise<Uint8Array<ArrayBuffer>> {
  const { File, ready } = await import("h5wasm");
  const { FS } = await ready;
  const path = "written.mat";
  const file = new File(path, "w", { libver: ["earliest", "latest"] });
  const refs = file.create_group("#refs#");
  const datasetAt = (name: string) => refs.get(name) as InstanceType<typeof import("h5wasm").Dataset>;
  let next = 0;
  const target = (write: (name: string) => void) => {
    const name = `r${next++}`;
    write(name);
    return datasetAt(name);
  };
  const referred = (write: (name: string) => void) => target(write).create_reference();
  const text = (value: string) =>
    referred((name) => {
      const data = Uint16Array.from(value, (character) => character.charCodeAt(0));
      refs.create_dataset({ name, data, shape: [data.length, 1] });
      datasetAt(name).create_attribute("MATLAB_class", "char", null, "S4");
    });
  const cell = (value: string) => {
    const inner = text(value);
    return referred((name) => {
      refs.create_dataset({ name, data: [inner], shape: [1, 1] });
      datasetAt(name).create_attribute("MATLAB_class", "cell", null, "S4");
    });
  };
  const numbers = (data: Float32Array, shape: number[]) =>
    referred((name) => {
      // MATLAB's extents stand in the reverse order.
      refs.create_dataset({ name, data, shape: shape.toReversed() });
      datasetAt(name).create_attribute("MATLAB_class", "single", null, "S6");
    });
  const net = file.create_group("net");
  net.create_attribute("MATLAB_class", "struct", null, "S6");
  const structs = {
    layers: { name: text("c"), type: text("dagnn.Conv"), inputs: cell("data"), outputs: cell("x"), params: cell("f") },
    params: { name: text("f"), value: numbers(Float32Array.of(1, 2, 3, 4, 5, 6), [1, 2, 3]) },
  };
  for (const [name, fields] of Object.entries(structs)) {
    const group = net.create_group(name);
    group.create_attribute("MATLAB_class", "struct", null, "S6");
    for (const [field, reference] of Object.entries(fields)) {
      group.create_dataset({ name: field, data: [reference], shape: [1, 1] });
    }
  }
  file.close();
  const header = new Uint8Array(512).fill(0x20);
  header.set(Buffer.from("MATLAB 7.3 MAT-file, written by a test"));
  const bytes = new Uint8Array(Buffer.concat([header, FS.readFile(path)]));
  FS.unlink(path);
  return bytes;
}
