import assert from "node:assert/strict";
import { test } from "node:test";
import { needsShared, sharedData } from "../../tests/support.ts";
import { bytesOf, refused, smallHdf5 } from "../../tests/weights.ts";
import { parseCaffeHdf5 } from "./caffe-hdf5.ts";

const parse = (bytes: Uint8Array) => parseCaffeHdf5(bytes, "some.h5");
const floats = (...values: number[]) => Float32Array.from(values);

test("layers and their blobs, names with slashes too", async () => {
  const bytes = await smallHdf5({
    "data/conv1/0": { shape: [2, 1, 1, 2], data: floats(1, 2, 3, 4) },
    "data/conv1/1": { shape: [2], data: floats(-1, 1) },
    "data/conv1/7x7_s2/bn/0": { shape: [1], data: Float64Array.of(Math.PI) },
    "diff/conv1/0": { shape: [1], data: floats(9) },
  });
  // Superblock version 0, as the library that Caffe uses writes it.
  assert.deepEqual([...bytes.subarray(0, 9)], [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a, 0]);
  const layers = await parse(bytes);
  assert.deepEqual([...layers.keys()].sort(), ["conv1", "conv1/7x7_s2/bn"]);
  assert.deepEqual(layers.get("conv1"), [
    { dtype: "float32", shape: [2, 1, 1, 2], data: floats(1, 2, 3, 4) },
    { dtype: "float32", shape: [2], data: floats(-1, 1) },
  ]);
  assert.deepEqual(layers.get("conv1/7x7_s2/bn"), [{ dtype: "float64", shape: [1], data: Float64Array.of(Math.PI) }]);
});

test("what is damaged or not Caffe's is refused, and the next file is read all the same", async () => {
  const good = await smallHdf5({ "data/fc/0": { shape: [3], data: floats(1, 2, 3) } });
  await refused(() => parse(new Uint8Array(100)), "some.h5", "not an HDF5 file");
  await refused(() => parse(new Uint8Array()), "not an HDF5 file");
  await refused(() => parse(good.subarray(0, 600)), "some.h5");
  const wrong: Readonly<Record<string, Parameters<typeof smallHdf5>[0]>> = {
    "no group /data": { "weights/fc/0": { shape: [1], data: floats(1) } },
    "has no blob 0": { "data/fc/1": { shape: [1], data: floats(1) } },
    "does not hold floats": { "data/fc/0": { shape: [1], data: Int32Array.of(1) } },
  };
  for (const [part, content] of Object.entries(wrong)) {
    const bytes = await smallHdf5(content);
    await refused(() => parse(bytes), part);
  }
  // Another program's sound file is not called damaged.
  const other = await smallHdf5({ "conv1.weight": { shape: [1], data: floats(1) } });
  await assert.rejects(parse(other), (error: Error) => !error.message.includes("damaged"));
  assert.deepEqual([...(await parse(good)).get("fc")![0]!.data], [1, 2, 3]);
});

test(
  "HDF5 that MATLAB wrote is read as far as it is HDF5",
  needsShared("weights", "dncnn-sigma25-bnorm.mat"),
  async () => {
    const bytes = bytesOf(sharedData("weights", "dncnn-sigma25-bnorm.mat"));
    await refused(() => parse(bytes), "no group /data");
  },
);
