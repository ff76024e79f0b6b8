import assert from "node:assert/strict";
import { test } from "node:test";
import { golden } from "../../tests/support.ts";
import { assertAllFacts, bytesOf, type Fields, floats, goldenWeights, proto, refused } from "../../tests/weights.ts";
import { encodeModel } from "../executors/ort/onnx.ts";
import { parseOnnxInitialisers } from "./onnx-initialisers.ts";

const parse = (bytes: Uint8Array) => parseOnnxInitialisers(bytes, "some.onnx");
const withTensor = (...tensors: Fields[]) =>
  proto([
    [1, 8],
    [7, tensors.map((tensor) => [5, tensor] as const)],
  ]);

test("golden/weights/small.onnx is read as onnx reads it", () => {
  const { tensors, unreadable, metadata } = parse(bytesOf(golden("weights", "small.onnx")));
  // To the end of an axis.
  assert.deepEqual(tensors.get("end"), { dtype: "int32", shape: [1], data: Int32Array.of(2 ** 31 - 1) });
  tensors.delete("end");
  assertAllFacts(tensors, goldenWeights().onnx["small.onnx"]!, "small.onnx");
  const dtypes = ["raw", "raw16", "raw64", "double", "bool", "typedbrain", "typed64", "typeddouble", "typed8"];
  assert.deepEqual(
    dtypes.map((name) => tensors.get(name)!.dtype),
    ["float32", "float32", "int32", "float64", "int32", "float32", "int32", "float64", "int32"],
  );
  assert.deepEqual([...unreadable.keys()], ["rawend", "words"]);
  assert.match(unreadable.get("rawend")!, /1099511627776 at 0/);
  assert.match(unreadable.get("words")!, /data type 8/);
  assert.deepEqual([...metadata], [["labels", '["tench"]']]);
});

test("what our own export writes is read back", () => {
  const data = Float32Array.of(1, -2, 3, 4, 5, 6);
  const bytes = encodeModel({
    name: "model",
    opsets: { "": 18 },
    nodes: [],
    initialisers: [
      { name: "w", shape: [2, 3], data },
      { name: "n", shape: [1], data: BigInt64Array.of(-7n) },
    ],
    inputs: [{ name: "x", dtype: "float32", shape: ["batch", 3] }],
    outputs: [],
    metadata: { labels: "[]" },
  });
  const { tensors, metadata } = parse(bytes);
  assert.deepEqual(tensors.get("w"), { dtype: "float32", shape: [2, 3], data });
  assert.deepEqual(tensors.get("n"), { dtype: "int32", shape: [1], data: Int32Array.of(-7) });
  assert.equal(metadata.get("labels"), "[]");
});

test("a Constant may be a tensor, a number or a list of numbers", async () => {
  const constant = (name: string, attribute: Fields): readonly [number, Fields] => [
    1,
    [
      [2, name],
      [4, "Constant"],
      [5, attribute],
    ],
  ];
  const w: Fields = [
    [1, 2],
    [2, 1],
    [9, floats(1, 2)],
  ];
  const nodes = [
    constant("tensor", [
      [1, "value"],
      [5, w],
      [20, 4],
    ]),
    constant("number", [
      [1, "value_float"],
      [2, { float: 0.5 }],
      [20, 1],
    ]),
    constant("list", [
      [1, "value_floats"],
      [7, floats(0.5)],
      [7, floats(-3)],
      [20, 6],
    ]),
    constant("count", [
      [1, "value_int"],
      [3, 7],
      [20, 2],
    ]),
    constant("extents", [
      [1, "value_ints"],
      [8, { packed: [1, -1, 3] }],
      [20, 7],
    ]),
  ];
  const { tensors, nodes: left } = parse(
    proto([
      [1, 8],
      [7, nodes],
    ]),
  );
  assert.equal(left.length, 0);
  assert.deepEqual(tensors.get("tensor"), { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) });
  assert.deepEqual(tensors.get("number"), { dtype: "float32", shape: [], data: Float32Array.of(0.5) });
  assert.deepEqual(tensors.get("list"), { dtype: "float32", shape: [2], data: Float32Array.of(0.5, -3) });
  assert.deepEqual(tensors.get("count"), { dtype: "int32", shape: [], data: Int32Array.of(7) });
  assert.deepEqual(tensors.get("extents"), { dtype: "int32", shape: [3], data: Int32Array.of(1, -1, 3) });
});

test("raw values are views where they are aligned", () => {
  const bytes = withTensor([
    [1, 2],
    [2, 1],
    [8, "w"],
    [9, floats(1, 2)],
  ]);
  let views = 0;
  for (let shift = 0; shift < 4; shift++) {
    const room = new Uint8Array(bytes.length + 4);
    room.set(bytes, shift);
    const { data } = parse(room.subarray(shift, shift + bytes.length)).tensors.get("w")!;
    assert.deepEqual([...data], [1, 2]);
    if (data.buffer === room.buffer) views++;
  }
  assert.equal(views, 1);
});

test("what is damaged or elsewhere is refused, naming the tensor", async () => {
  const w = (...fields: Fields) => parse(withTensor([[8, "w"], ...fields]));
  await refused(() => w([1, 2], [2, 1], [9, floats(1)]), 'initialiser "w"', "2 values for [2]", "4 bytes of F32");
  await refused(() => w([1, 2], [2, 1], [4, floats(1)]), "2 values for [2]");
  await refused(() => w([1, 1], [2, 1], [4, new Uint8Array(5)]), "5 bytes of floats");
  await refused(() => w([1, 1], [2, 11], [10, new Uint8Array(5)]), "5 bytes of doubles");
  await refused(() => w([1, 2], [2, 7], [7, { packed: [1, 2, 3] }]), "3");
  await refused(() => w([1, 2 ** 40], [2, 7], [7, 1]), "do not fill");
  await refused(() => w([1, { packed: [-1, -2] }], [2, 1], [9, floats(1, 2)]), "shape is damaged");
  await refused(
    () =>
      w(
        [1, 1],
        [2, 1],
        [
          13,
          [
            [1, "location"],
            [2, "w.bin"],
          ],
        ],
        [14, 1],
      ),
    "file beside",
    "onnx.save",
  );
  await refused(() => w([1, { packed: Array<number>(65).fill(1) }]), "64 axes");
  await refused(
    () =>
      parse(
        withTensor(
          [
            [8, "w"],
            [2, 1],
            [9, floats(1)],
          ],
          [
            [8, "w"],
            [2, 8],
          ],
        ),
      ),
    "occurs twice",
  );
  await refused(() => parse(proto([[7, [[15, []]]]])), "sparse");
  await refused(() => parse(proto([[1, 8]])), "no graph");
  await refused(() => parse(bytesOf(golden("weights", "small.onnx")).subarray(0, 300)), "damaged or cut short");
});
