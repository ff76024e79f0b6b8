import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { golden } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { parseSafetensors } from "./safetensors.ts";
import { encodeSafetensors } from "./safetensors-write.ts";

const join = (chunks: readonly Uint8Array[]): Uint8Array => Buffer.concat(chunks);

/** A file of this header, which need not be JSON, and this many bytes of data. */
function file(header: unknown, data: ArrayLike<number> = []): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return join([length, text, Uint8Array.from(data)]);
}

const entry = (dtype: string, shape: readonly number[], start: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [start, end],
});

/** Asserts that the file is refused with an error that has all of `parts`. */
function refused(bytes: Uint8Array, ...parts: string[]): void {
  assert.throws(
    () => parseSafetensors(bytes, "some.safetensors"),
    (error) => {
      assert.ok(error instanceof SenetError, `a SenetError, not ${error}`);
      assert.equal(error.code, "weights");
      for (const part of ["some.safetensors", ...parts]) {
        assert.ok(error.message.includes(part), `"${part}" is not in: ${error.message}`);
      }
      return true;
    },
  );
}

const some: ReadonlyMap<string, Tensor> = new Map([
  ["fc.weight", tensor([2, 3], Float32Array.of(1, -2, 3.5, 0, Number.NaN, Infinity))],
  ["step", tensor([], Int32Array.of(-7))],
  ["a", tensor([1], Float64Array.of(Math.PI))],
  ["empty", tensor([0, 4], new Float32Array())],
]);

test("what is written is read back", () => {
  const metadata = new Map([
    ["labels", '["tench","ünï"]'],
    ["", "\u0000\n\\"],
  ]);
  const { tensors, metadata: found } = parseSafetensors(join(encodeSafetensors(some, metadata)), "memory");
  assert.deepEqual(new Map([...tensors].sort()), new Map([...some].sort()));
  assert.deepEqual(new Map([...found].sort()), new Map([...metadata].sort()));
});

test("the bytes do not depend on the order of the maps, and all tensors are aligned", () => {
  const metadata = [
    ["b", "2"],
    ["a", "1"],
  ] as const;
  const bytes = join(encodeSafetensors(some, new Map(metadata)));
  const other = encodeSafetensors(new Map([...some].reverse()), new Map([...metadata].reverse()));
  assert.deepEqual(join(other), bytes);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  assert.equal(length % 8, 0);
  const header =
    '{"__metadata__":{"a":"1","b":"2"},' +
    '"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},' +
    '"empty":{"dtype":"F32","shape":[0,4],"data_offsets":[8,8]},' +
    '"fc.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]},' +
    '"step":{"dtype":"I32","shape":[],"data_offsets":[32,36]}}';
  assert.equal(new TextDecoder().decode(bytes.subarray(8, 8 + length)), header.padEnd(length, " "));
});

test("tensors are written from where they are, without a copy", () => {
  const weight = tensor([2], Float32Array.of(1, 2));
  const [, chunk] = encodeSafetensors(new Map([["w", weight]]), new Map());
  assert.equal(chunk!.buffer, weight.data.buffer);
  // A view into a larger buffer writes its own part only.
  const part = tensor([1], new Float32Array(weight.data.buffer, 4, 1));
  const bytes = join(encodeSafetensors(new Map([["w", part]]), new Map()));
  assert.deepEqual([...parseSafetensors(bytes, "memory").tensors.get("w")!.data], [2]);
});

test("reading gives views where the bytes are aligned, and right copies where they are not", () => {
  const bytes = join(encodeSafetensors(some, new Map()));
  for (const shift of [0, 1, 2, 4]) {
    const room = new Uint8Array(new ArrayBuffer(bytes.length + 8));
    room.set(bytes, shift);
    const { tensors } = parseSafetensors(room.subarray(shift, shift + bytes.length), "memory");
    assert.deepEqual(new Map([...tensors].sort()), new Map([...some].sort()), `shifted by ${shift}`);
    const fromBuffer = parseSafetensors(Buffer.from(room.buffer, shift, bytes.length), "memory").tensors;
    assert.deepEqual(new Map([...fromBuffer].sort()), new Map([...some].sort()), `a Buffer shifted by ${shift}`);
    const isView = (name: string) => tensors.get(name)!.data.buffer === room.buffer;
    assert.equal(isView("fc.weight"), shift % 4 === 0, `float32 shifted by ${shift}`);
    assert.equal(isView("a"), shift % 8 === 0, `float64 shifted by ${shift}`);
  }
});

test("a file of another writer is read: the golden operations", () => {
  const { tensors, metadata } = parseSafetensors(readFileSync(golden("ops.safetensors")), "ops");
  assert.match(metadata.get("torch")!, /^\d+\.\d+/);
  assert.equal(tensors.get("softmaxCrossEntropy/plain/targets")!.dtype, "float32");
  assert.equal(tensors.get("softmaxCrossEntropy/plain/loss")!.dtype, "float64");
  assert.deepEqual([...tensors.get("relu/zeros/x")!.data], [0, -1, 0, 2, 0]);
});

test("F16 and BF16 widen to float32", () => {
  const bits = (...values: number[]) => new Uint8Array(Uint16Array.from(values).buffer);
  const half = bits(0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0xc000, 0x3555, 0x7bff, 0x7c00, 0xfc00, 0x7e00);
  const expected = [
    0,
    -0,
    2 ** -24,
    1023 * 2 ** -24,
    2 ** -14,
    1,
    -2,
    0x555 * 2 ** -12,
    65504,
    Infinity,
    -Infinity,
    NaN,
  ];
  const f16 = parseSafetensors(file({ x: entry("F16", [12], 0, 24) }, half), "f16").tensors.get("x")!;
  assert.equal(f16.dtype, "float32");
  assert.deepEqual([...f16.data], expected);

  const brain = bits(0x3f80, 0xc040, 0x8000, 0x7f80, 0x7fc0, 0x0001);
  const bf16 = parseSafetensors(file({ x: entry("BF16", [2, 3], 0, 12) }, brain), "bf16").tensors.get("x")!;
  assert.equal(bf16.dtype, "float32");
  assert.deepEqual([...bf16.data], [1, -3, -0, Infinity, NaN, 2 ** -133]);
});

test("I64 narrows to int32 where it fits", () => {
  const wide = (...values: bigint[]) => new Uint8Array(BigInt64Array.from(values).buffer);
  const read = (...values: bigint[]) => file({ n: entry("I64", [2], 0, 16) }, wide(...values));
  const { dtype, data } = parseSafetensors(read(2n ** 31n - 1n, -(2n ** 31n)), "i64").tensors.get("n")!;
  assert.deepEqual([dtype, ...data], ["int32", 2147483647, -2147483648]);
  refused(read(1n, 2n ** 31n), 'tensor "n"', "2147483648 at 1");
  refused(read(2n ** 32n, 1n), 'tensor "n"', "4294967296 at 0");
});

test("a file that is cut anywhere is refused", () => {
  const bytes = join(encodeSafetensors(some, new Map([["labels", "[]"]])));
  for (let length = 0; length < bytes.length; length++) refused(bytes.subarray(0, length));
  parseSafetensors(bytes, "the whole file");
});

test("a header that lies or is not one is refused", () => {
  refused(new Uint8Array(), "too short");
  const length = (value: bigint) => new Uint8Array(BigUint64Array.of(value).buffer);
  refused(join([length(2n ** 63n), new Uint8Array(64)]), "longer than it can be", "9223372036854775808");
  refused(join([length(57n), new Uint8Array(56)]), "at most 56");
  refused(file("not JSON"), "not JSON");
  refused(file(""), "not JSON");
  // Not UTF-8, in a string that would otherwise be fine; and a byte order mark, which the format does not have.
  refused(
    join([length(20n), Buffer.from('{"__metadata__":{}} ')].map((part) => part.map((b) => (b === 0x6d ? 0xff : b)))),
    "not JSON",
  );
  refused(file("\ufeff{}"), "not JSON");
  for (const header of ["[]", "null", "3", '"x"']) refused(file(header), "not an object");
  refused(file({ __metadata__: { epoch: 3 } }), "epoch", "3");
  refused(file({ __metadata__: ["labels"] }), "metadata");
  // The format's own reader takes it for none, too.
  assert.equal(parseSafetensors(file({ __metadata__: null }), "null").metadata.size, 0);
});

test("a name that comes twice is refused, however it is written", () => {
  const x = JSON.stringify(entry("F32", [0], 0, 0));
  refused(file(`{"x":${x},"x":${x}}`), '"x" twice');
  refused(file(`{"x":${x}, "\\u0078" : ${x}}`), '"x" twice');
  refused(file(`{"x":{"dtype":"F32","shape":[1],"shape":[0],"data_offsets":[0,0]}}`), '"shape" twice');
  refused(file(`{"__metadata__":{"a":"1","a":"2"}}`), '"a" twice');
  // The same words as values, in strings or in other objects are no repetition.
  const fine = `{"__metadata__":{"x":"{\\"x\\":1,\\"x\\":2}","y":"x","z":"x\\\\"},"x":${x},"y":${x}}`;
  assert.deepEqual([...parseSafetensors(file(fine), "fine").tensors.keys()], ["x", "y"]);
});

test("names of the language itself are names like any other", () => {
  const names = ["__proto__", "constructor", "toString"];
  const header = `{${names.map((name) => `"${name}":${JSON.stringify(entry("F32", [0], 0, 0))}`).join(",")}}`;
  assert.deepEqual([...parseSafetensors(file(header), "names").tensors.keys()], names);
  refused(file({ x: entry("toString", [0], 0, 0) }), "dtype");
});

test("bytes that overlap, leave holes, are outside or belong to nobody are refused", () => {
  const eight = new Uint8Array(8);
  const both = (a: readonly [number, number], b: readonly [number, number], data = eight) =>
    file({ a: entry("F32", [(a[1] - a[0]) / 4], ...a), b: entry("F32", [(b[1] - b[0]) / 4], ...b) }, data);
  assert.equal(parseSafetensors(both([4, 8], [0, 4]), "any order").tensors.size, 2);
  assert.equal(parseSafetensors(both([0, 8], [0, 0]), "an empty tensor in front").tensors.size, 2);
  refused(both([0, 8], [4, 8]), 'tensor "b"', "overlap");
  refused(both([0, 8], [0, 8]), "overlap");
  refused(both([0, 4], [8, 12], new Uint8Array(12)), 'tensor "b"', "hole", "from 4");
  refused(file({ a: entry("F32", [1], 4, 8) }, eight), "hole");
  refused(file({ a: entry("F32", [1], 0, 4) }, eight), "belong to no tensor", "4 bytes");
  refused(file({ a: entry("F32", [3], 0, 12) }, eight), 'tensor "a"', "[0,12]", "0 to 8");
  refused(file({ a: entry("F32", [1], 8, 4) }, eight), 'tensor "a"');
  refused(file({ a: entry("F32", [2], -8, 0) }, eight), 'tensor "a"');
  refused(file({ a: entry("F32", [1], 0.5, 4.5) }, eight), 'tensor "a"');
  refused(file({ a: { dtype: "F32", shape: [2], data_offsets: [0, 4, 8] } }, eight), 'tensor "a"');
  refused(file({ a: { dtype: "F32", shape: [2] } }, eight), 'tensor "a"', "nothing");
});

test("shapes and dtypes that make no sense are refused", () => {
  const eight = new Uint8Array(8);
  const shaped = (shape: unknown) => file({ a: { dtype: "F32", shape, data_offsets: [0, 8] } }, eight);
  refused(shaped([3]), 'tensor "a"', "12 bytes", "8 bytes");
  for (const shape of [[-2], [-1, -2], [0.5, 4], ["2"], [null], "2", { length: 1 }, undefined]) {
    refused(shaped(shape), 'tensor "a"', "shape");
  }
  // The product is 2 modulo 2^32 and modulo 2^64.
  refused(shaped([2 ** 32 + 1, 2]), 'tensor "a"');
  refused(shaped([2 ** 52, 2 ** 52, 2 ** 52]), 'tensor "a"');
  refused(shaped(Array.from({ length: 1000 }, () => 2 ** 53 - 1)), 'tensor "a"', "...");
  refused(file({ a: entry("F8_E4M3", [8], 0, 8) }, eight), "F8_E4M3", "F64, F32");
  refused(file({ a: 3 }, eight), "not an object");
  const deep = `{"a":{"dtype":"F32","shape":${"[".repeat(200_000)}${"]".repeat(200_000)},"data_offsets":[0,8]}}`;
  refused(file(deep, eight), 'tensor "a"');
});

test("what could not be read is not written", () => {
  const one = tensor([1], Float32Array.of(1));
  const fails = { code: "weights" };
  assert.throws(() => encodeSafetensors(new Map([["__metadata__", one]]), new Map()), fails);
  assert.throws(() => encodeSafetensors(new Map([["x", { ...one, shape: [2] }]]), new Map()), fails);
});
