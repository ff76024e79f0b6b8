import assert from "node:assert/strict";
import { test } from "node:test";
import { assertPortFacts, count, npy, npz } from "../../tests/ports.ts";
import { needsShared, sharedData } from "../../tests/support.ts";
import { bytesOf, doubles, floats, pickle, refused, zip } from "../../tests/weights.ts";
import { tensor } from "../tensor.ts";
import { isNpz, onlyArray, parseNumpy } from "./numpy.ts";

const read = async (bytes: Uint8Array) => (await parseNumpy(bytes, "some.npz")).tensors;
const one = async (bytes: Uint8Array) => (await read(bytes)).get(onlyArray)!;
const bytesIn = (values: ArrayBufferView) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

for (const name of ["chainer/nutszebra-n1-r8-60steps.model", "chainer/nutszebra-n1-r8-60steps.optimizer"]) {
  test(`${name}, written by Chainer: every array`, needsShared("ports", name), async () => {
    assertPortFacts(await read(bytesOf(sharedData("ports", name))), name.slice("chainer/".length));
  });
}

const waifu2x = "waifu2x-upresnet10-anime-scale-rgb.npz";
test(`${waifu2x}, by its authors: every array`, needsShared("ports", "chainer", waifu2x), async () => {
  assertPortFacts(await read(bytesOf(sharedData("ports", "chainer", waifu2x))), waifu2x);
});

test("every type of number, in both orders of bytes", async () => {
  const types: readonly (readonly [string, ArrayBufferView, readonly number[]])[] = [
    ["f8", Float64Array.of(1.5, -2), [1.5, -2]],
    ["f4", Float32Array.of(1.5, -2), [1.5, -2]],
    ["f2", Uint16Array.of(0x3e00, 0xc000), [1.5, -2]],
    ["i8", BigInt64Array.of(1n, -2n), [1, -2]],
    ["i4", Int32Array.of(1, -2), [1, -2]],
    ["i2", Int16Array.of(1, -2), [1, -2]],
    ["i1", Int8Array.of(1, -2), [1, -2]],
    ["u8", BigUint64Array.of(1n, 2n), [1, 2]],
    ["u4", Uint32Array.of(1, 2), [1, 2]],
    ["u2", Uint16Array.of(1, 2), [1, 2]],
    ["u1", Uint8Array.of(1, 2), [1, 2]],
    ["b1", Uint8Array.of(1, 0), [1, 0]],
  ];
  for (const [type, values, expected] of types) {
    const bytes = bytesIn(values);
    const size = Number(type[1]);
    const turned = Uint8Array.from([0, 1].flatMap((i) => [...bytes.subarray(i * size, i * size + size)].reverse()));
    const order = size === 1 ? "|" : "<";
    assert.deepEqual([...(await one(npy([2], bytes, { descr: `${order}${type}` }))).data], expected, type);
    assert.deepEqual([...(await one(npy([2], turned, { descr: `>${type}` }))).data], expected, `>${type}`);
  }
  // Counters are as large as they are.
  const wide = await one(npy([2], bytesIn(BigInt64Array.of(2n ** 40n, -1n)), { descr: "<i8" }));
  assert.deepEqual(wide.data, Float64Array.of(2 ** 40, -1));
});

test("shapes: a number, one element, none, and Fortran's order", async () => {
  assert.deepEqual(await one(npy([], floats(7))), tensor([], Float32Array.of(7)));
  assert.deepEqual(await one(npy([1], floats(7))), tensor([1], Float32Array.of(7)));
  assert.deepEqual(await one(npy([0, 3], floats())), tensor([0, 3], new Float32Array()));
  const columns = npy([2, 3], floats(1, 4, 2, 5, 3, 6), { fortran: true });
  assert.deepEqual(await one(columns), tensor([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)));
  assert.deepEqual(
    (await one(npy([2], floats(1, 2), { header: "{'shape': (2L,), 'fortran_order': False, 'descr': '<f4'}" }))).shape,
    [2],
  );
});

test("all versions of the header", async () => {
  for (const version of [1, 2, 3] as const) {
    assert.deepEqual((await one(npy([3], floats(1, 2, 3), { version }))).data, Float32Array.of(1, 2, 3));
  }
});

test("archives, stored and deflated: names with slashes and colons; text is left aside", async () => {
  const shape = [3, 3, 2, 4];
  const arrays: [string, Uint8Array][] = [
    ["group0/block0/conv1/W:0", npy(shape, bytesIn(count(shape)))],
    ["b", npy([2], doubles(1, 2), { descr: "<f8" })],
    ["who", npy([2], new Uint8Array(2 * 4 * 5), { descr: "<U5" })],
    ["bytes", npy([], new Uint8Array(3), { descr: "|S3" })],
  ];
  for (const method of [0, 8] as const) {
    const bytes = npz(arrays, method);
    assert.ok(isNpz(bytes));
    const { tensors, notes } = await parseNumpy(bytes, "some.npz");
    assert.deepEqual(
      [...tensors],
      [
        ["group0/block0/conv1/W:0", tensor(shape, count(shape))],
        ["b", tensor([2], Float64Array.of(1, 2))],
      ],
    );
    assert.deepEqual(notes, ["left aside 2 arrays of text"]);
    assert.deepEqual((await parseNumpy(npz(arrays.slice(0, 3), method), "some.npz")).notes, [
      "left aside 1 array of text",
    ]);
  }
});

test("of a snapshot of Chainer's trainer the network is taken", async () => {
  const array = npy([1], floats(1));
  const snapshot = npz([
    ["updater/model:main/predictor/conv1/W", array],
    ["updater/model:main/predictor/conv1/b", array],
    ["updater/optimizer:main/t", npy([], new Uint8Array(8), { descr: "<i8" })],
    ["updater/optimizer:main/conv1/W/v", array],
    ["extensions/LogReport/_log", npy([], new Uint8Array(8), { descr: "<U2" })],
  ]);
  const { tensors, notes } = await parseNumpy(snapshot, "snapshot_iter_100");
  assert.deepEqual([...tensors.keys()], ["conv1/W", "conv1/b"]);
  assert.match(notes.join(), /of 4 arrays the 2 of its network.*updater\/model:main\/predictor\//);
  const classifier = await read(npz([["predictor/conv1/W", array]]));
  assert.deepEqual([...classifier.keys()], ["conv1/W"]);
  const partly = await read(
    npz([
      ["predictor/conv1/W", array],
      ["other/W", array],
    ]),
  );
  assert.deepEqual([...partly.keys()], ["predictor/conv1/W", "other/W"]);
});

test("pickled objects are refused, with what to do, and nothing of them runs", async () => {
  const objects = npy([], pickle.file(pickle.call(pickle.global("os", "system"), pickle.text("touch /tmp/x"))), {
    descr: "|O",
  });
  await refused(() => read(objects), "Python objects", "numpy.load");
  await refused(() => read(npz([["W", objects]])), 'array "W"', "Python objects");
});

test("what is damaged is refused, with the array's name", async () => {
  const sound = npy([2, 2], floats(1, 2, 3, 4));
  await refused(() => read(sound.subarray(0, -1)), "not of its size", "16 bytes", "15");
  await refused(() => read(Uint8Array.of(...sound, 0)), "not of its size", "17");
  await refused(() => read(npz([["W", sound.subarray(0, -4)]])), 'array "W"', "not of its size");
  const header = (header: string) => npy([], floats(1), { header });
  const ok = "'fortran_order': False, 'shape': ()";
  await refused(() => read(header(`{'descr': '<c8', ${ok}}`)), "type cannot be read", "<c8", "float32");
  await refused(() => read(header(`{'descr': [('a', '<f4')], ${ok}}`)), "type cannot be read");
  await refused(() => read(header(`{'descr': '<f4', 'descr': '<f8', ${ok}}`)), "header cannot be read");
  await refused(() => read(header(`{'descr': '<f4', 'x': True, ${ok}}`)), "header cannot be read");
  await refused(() => read(header(`{'descr': '<f4', 'fortran_order': 1, 'shape': ()}`)), "header cannot be read");
  await refused(
    () => read(header(`{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}`)),
    "header cannot be read",
  );
  await refused(() => read(header("__import__('os').system('touch /tmp/x')")), "header cannot be read");
  await refused(() => read(npy([2 ** 40, 2 ** 40], floats(1))), "not of its size");
  await refused(() => read(npy([2], new Uint8Array(8), { descr: "<U1" })), "text");
  await refused(
    () =>
      read(
        zip([
          { name: "a.npy", content: sound },
          { name: "b.txt", content: sound },
        ]),
      ),
    "not one of NumPy's",
  );
  const unknown = sound.slice();
  unknown[6] = 9;
  await refused(() => read(unknown), "unknown version", "9");
  unknown[6] = 1;
  unknown[8] = 255;
  await refused(() => read(unknown), "longer than it can be");
});

test("an archive cannot become far larger than it is", async () => {
  const zeros = npz([["W", npy([20_000_000], new Uint8Array(80_000_000))]], 8);
  assert.ok(zeros.length < 100_000);
  await refused(() => read(zeros), "unpacks to more than its file can hold");
});
