import assert from "node:assert/strict";
import { test } from "node:test";
import { needsShared, sharedData } from "../../tests/support.ts";
import { bytesOf, refused, smallCaffemodel } from "../../tests/weights.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { type CaffeLayer, parseCaffemodel } from "./caffemodel.ts";
import { type CaffeLayerToWrite, encodeCaffemodel } from "./caffemodel-write.ts";
import type { CaffeMessage, CaffeValue } from "./prototxt.ts";

const written = (name: string, layers: readonly CaffeLayerToWrite[]) =>
  parseCaffemodel(new Uint8Array(Buffer.concat(encodeCaffemodel(name, layers))), "written.caffemodel");

/** A definition without where it came from, which differs by the file's name; its fields in the order of their names. */
function plain({ fields }: CaffeMessage): unknown {
  const value = (value: CaffeValue): unknown => (typeof value === "object" ? plain(value) : value);
  return [...fields].map(([name, values]) => [name, values.map(value)]).sort();
}

const bits = ({ data }: Tensor) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

function assertSameLayers(found: readonly CaffeLayer[], expected: readonly CaffeLayer[]): void {
  assert.equal(found.length, expected.length);
  for (const [i, layer] of expected.entries()) {
    const other = found[i]!;
    assert.deepEqual(
      [other.name, other.type, other.bottoms, other.tops, other.blobs.map(({ dtype, shape }) => [dtype, shape])],
      [layer.name, layer.type, layer.bottoms, layer.tops, layer.blobs.map(({ dtype, shape }) => [dtype, shape])],
    );
    assert.deepEqual(plain(other.definition), plain(layer.definition), layer.name);
    for (const [j, blob] of layer.blobs.entries()) assert.ok(bits(other.blobs[j]!).equals(bits(blob)), layer.name);
  }
}

test("what is written is read back: definitions, shapes, and values to the last bit", () => {
  const { name, layers } = parseCaffemodel(smallCaffemodel(), "small.caffemodel");
  const again = written(name, layers);
  assert.equal(again.name, "small");
  assert.ok(layers.some(({ definition }) => definition.fields.has("convolution_param")));
  assertSameLayers(again.layers, layers);
});

for (const file of ["cifar10_res20_iter_64000.caffemodel", "det2.caffemodel"]) {
  test(`${file} is the same after it was written again`, needsShared("weights", file), () => {
    const { name, layers } = parseCaffemodel(bytesOf(sharedData("weights", file)), file);
    assertSameLayers(written(name, layers).layers, layers);
  });
}

test("a name, a type and blobs are enough; doubles stay doubles, and what is no number its bits", () => {
  const oddities = new Float32Array(new Uint32Array([0x7fc12345, 0x80000000, 0x7f800000, 1]).buffer);
  const blobs = [tensor([2, 2], oddities), tensor([1], Float64Array.of(Math.PI)), tensor([0], new Float32Array(0))];
  const { layers } = written("", [{ name: "gewölbe/1", type: "Odd", blobs, bottoms: ["a"], tops: ["b", "c"] }]);
  const [layer] = layers;
  assert.deepEqual([layer!.name, layer!.type, layer!.bottoms, layer!.tops], ["gewölbe/1", "Odd", ["a"], ["b", "c"]]);
  assert.deepEqual(
    layer!.blobs.map(({ dtype, shape }) => [dtype, shape]),
    blobs.map(({ dtype, shape }) => [dtype, shape]),
  );
  for (const [i, blob] of blobs.entries()) assert.ok(bits(layer!.blobs[i]!).equals(bits(blob)), `blob ${i}`);
});

test("weights are not copied", () => {
  const data = new Float32Array(1000);
  const chunks = encodeCaffemodel("x", [{ name: "x", type: "Convolution", blobs: [tensor([1000], data)] }]);
  assert.ok(chunks.some(({ buffer, byteLength }) => buffer === data.buffer && byteLength === 4000));
});

test("what a caffemodel cannot hold is refused", async () => {
  const layer = (blob: Tensor): CaffeLayerToWrite => ({ name: "conv1", type: "Convolution", blobs: [blob] });
  await refused(() => encodeCaffemodel("x", [layer(tensor([1], new Int32Array(1)))]), `"conv1", blob 0`, "float32");
  const torn: Tensor = { dtype: "float32", shape: [3], data: new Float32Array(2) };
  await refused(() => encodeCaffemodel("x", [layer(torn)]), "3 values", "2 values");
  // One and the same gigabyte of zeros, twice.
  const large = tensor([2 ** 28], new Float32Array(2 ** 28));
  await refused(() => encodeCaffemodel("x", [layer(large), layer(large)]), "too large", `${2 ** 31 - 1}`);
  const definition = (field: string, value: CaffeValue): CaffeMessage => ({
    where: "layer 3",
    fields: new Map([["pooling_param", [{ where: "layer 3", fields: new Map([[field, [value]]]) }]]]),
  });
  const pooling = (field: string, value: CaffeValue): CaffeLayerToWrite[] => [
    { name: "pool", type: "Pooling", blobs: [], definition: definition(field, value) },
  ];
  await refused(() => encodeCaffemodel("x", pooling("pool", "MEDIAN")), "layer 3", "MEDIAN");
  await refused(() => encodeCaffemodel("x", pooling("stride", 1.5)), "layer 3", "stride", "1.5");
});
