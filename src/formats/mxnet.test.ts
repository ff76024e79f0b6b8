import assert from "node:assert/strict";
import { test } from "node:test";
import { assertPortFacts, assertTensorFacts, mxnetParams, portFacts } from "../../tests/ports.ts";
import { needsShared, sharedData } from "../../tests/support.ts";
import { bytesOf, floats, refused } from "../../tests/weights.ts";
import { tensor } from "../tensor.ts";
import { parseMxnetParams } from "./mxnet.ts";

const read = (bytes: Uint8Array) => parseMxnetParams(bytes, "some.params");
const versions = [0, 1, 2, 3] as const;

for (const name of ["pnet-0016.params", "samplenet-0000.params", "samplenet-rewritten-v1.params"]) {
  test(`${name}: every array`, needsShared("ports", "mxnet", name), () => {
    assertPortFacts(read(bytesOf(sharedData("ports", "mxnet", name))), name);
  });
}

const legacy = "legacy_ndarray.v0";
test(`${legacy}, by MXNet: a list without names is read by places`, needsShared("ports", "mxnet", legacy), () => {
  const found = read(bytesOf(sharedData("ports", "mxnet", legacy)));
  const { tensors } = portFacts(legacy);
  assert.deepEqual([...found.keys()], ["0", "1", "2", "3", "4", "5"]);
  for (const [i, facts] of tensors.entries()) assertTensorFacts(found.get(`${i}`)!, facts);
});

test("every version, with names and without", () => {
  const arrays = [
    { name: "arg:conv0_weight", shape: [2, 1, 1, 3], data: floats(1, 2, 3, 4, 5, 6) },
    { name: "aux:bn0_moving_var", shape: [1], data: floats(7) },
  ];
  const expected = [tensor([2, 1, 1, 3], Float32Array.of(1, 2, 3, 4, 5, 6)), tensor([1], Float32Array.of(7))];
  for (const version of versions) {
    const named = read(mxnetParams(arrays, version));
    assert.deepEqual(
      [...named],
      [
        ["arg:conv0_weight", expected[0]],
        ["aux:bn0_moving_var", expected[1]],
      ],
    );
    assert.deepEqual(
      [...read(mxnetParams(arrays, version, false)).entries()],
      [
        ["0", expected[0]],
        ["1", expected[1]],
      ],
    );
  }
});

test("every type", () => {
  const types: readonly (readonly [number, Uint8Array, readonly number[]])[] = [
    [1, new Uint8Array(Float64Array.of(1.5, -2).buffer), [1.5, -2]],
    [2, new Uint8Array(Uint16Array.of(0x3e00, 0xc000).buffer), [1.5, -2]],
    [3, Uint8Array.of(1, 200), [1, 200]],
    [4, new Uint8Array(Int32Array.of(1, -2).buffer), [1, -2]],
    [5, Uint8Array.of(1, 254), [1, -2]],
    [6, new Uint8Array(BigInt64Array.of(1n, -2n).buffer), [1, -2]],
    [7, Uint8Array.of(1, 0), [1, 0]],
    [12, new Uint8Array(Uint16Array.of(0x3fc0, 0xc000).buffer), [1.5, -2]],
  ];
  for (const [type, data, expected] of types) {
    const [found] = read(mxnetParams([{ name: "a", shape: [2], data, type }], 2)).values();
    assert.deepEqual([...found!.data], expected, `${type}`);
  }
});

test("arrays of no axes: empty until NumPy's shapes came, one number since", () => {
  const u32 = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
  const list = (...array: Uint8Array[]) => {
    const u64 = (...values: number[]) => new Uint8Array(BigUint64Array.from(values, BigInt).buffer);
    return new Uint8Array(Buffer.concat([u64(0x112, 0, 1), ...array, u64(0)]));
  };
  for (const array of [u32(0), u32(0xf993fac8, 0), u32(0xf993fac9, 0, 0), u32(0xf993faca, 0, 0xffffffff)]) {
    assert.deepEqual(read(list(array)).get("0")?.shape, [0]);
  }
  assert.deepEqual(read(list(u32(0xf993faca, 0, 0, 1, 0, 0), floats(5))).get("0"), tensor([], Float32Array.of(5)));
});

test("what is damaged or sparse is refused, with the array", async () => {
  const array = { name: "w", shape: [2, 2], data: floats(1, 2, 3, 4) };
  for (const version of versions) {
    const sound = mxnetParams([array, { ...array, name: "v" }], version);
    await refused(() => read(sound.subarray(0, -1)), "ends within name 1");
    await refused(() => read(sound.subarray(0, 100)), "the file ends within");
    await refused(() => read(Uint8Array.of(...sound, 0)), "bytes after the names");
  }
  const twice = mxnetParams([array, array], 2);
  await refused(() => read(twice), "two arrays have one name");
  await refused(() => read(mxnetParams([{ ...array, storage: 1 }], 2)), "array 0 is sparse", "row-sparse", "tostype");
  await refused(() => read(mxnetParams([{ ...array, type: 99 }], 1)), "array 0 is of an unknown type", "99");
  await refused(() => read(mxnetParams([{ ...array, shape: [2 ** 31, 2 ** 31] }], 2)), "ends within array 0");
  const many = mxnetParams([array], 2);
  many.fill(0xff, 16, 24);
  await refused(() => read(many), "more arrays than it can hold");
  const negative = mxnetParams([array], 2);
  negative.fill(0xff, 36, 44);
  await refused(() => read(negative), "negative extent");
  await refused(() => read(mxnetParams([{ ...array, shape: new Array(33).fill(1) }], 2)), "unlikely number of axes");
});
