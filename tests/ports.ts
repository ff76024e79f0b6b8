/** What the tests of the ports' file formats share: small files as those programs write them, and facts of real ones. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type Shape, sizeOf, type Tensor } from "../src/tensor.ts";
import { sharedData } from "./support.ts";
import { zip } from "./weights.ts";

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
