import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../random.ts";
import { type Tensor, tensor, zeros } from "../tensor.ts";
import { inferenceGraph, model } from "../zoo/index.ts";
import { initialWeights } from "./init.ts";
import { firstConvolution, PatchStatistics, setPatchFilters } from "./patch-init.ts";
import { principalDirections } from "./principal.ts";

/** Pictures whose neighbouring pixels are alike, in channels that are alike too. */
function smoothPictures(count: number, side: number): Tensor {
  const random = createRandom(1);
  const pictures = zeros("float32", [count, 3, side, side]);
  for (let n = 0; n < count; n++) {
    const shared = Array.from({ length: side * side }, () => 0);
    for (let wave = 0; wave < 6; wave++) {
      const [a, b, phase] = [random.normal() / 4, random.normal() / 4, random.uniform() * 6];
      shared.forEach((value, i) => {
        shared[i] = value + Math.sin(a * (i % side) + b * Math.floor(i / side) + phase);
      });
    }
    for (let i = 0; i < 3 * side * side; i++) {
      pictures.data[n * 3 * side * side + i] = shared[i % (side * side)]! + 0.1 * random.normal();
    }
  }
  return pictures;
}

test("principal directions rebuild the matrix and stand at right angles", () => {
  const size = 12;
  const random = createRandom(2);
  const half = Float64Array.from({ length: size * size }, () => random.normal());
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      for (let k = 0; k < size; k++) matrix[i * size + j]! += half[i * size + k]! * half[j * size + k]!;
    }
  }
  const { values, directions } = principalDirections(matrix, size);
  assert.deepEqual(
    [...values],
    [...values].sort((a, b) => b - a),
    "the largest first",
  );
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      let [rebuilt, product] = [0, 0];
      for (let k = 0; k < size; k++) {
        rebuilt += values[k]! * directions[k * size + i]! * directions[k * size + j]!;
        product += directions[i * size + k]! * directions[j * size + k]!;
      }
      assert.ok(Math.abs(rebuilt - matrix[i * size + j]!) < 1e-10 * values[0]!);
      assert.ok(Math.abs(product - (i === j ? 1 : 0)) < 1e-12);
    }
  }
});

test("filters from patches see different things, each as strongly as the others; the rest stay as they were drawn", () => {
  const pictures = smoothPictures(24, 24);
  const shape = [70, 3, 3, 3];
  const statistics = new PatchStatistics(shape);
  statistics.add(pictures);
  const drawn = createRandom(3);
  const weight = tensor(
    shape,
    Float32Array.from({ length: 70 * 27 }, () => drawn.normal()),
  );
  const before = weight.data.slice();
  setPatchFilters(weight, statistics);
  const { covariance } = statistics;
  /** What two filters have in common on the pictures, as a part of 2, the variance that each is to have. */
  const common = (a: number, b: number): number => {
    let sum = 0;
    for (let i = 0; i < 27; i++) {
      for (let j = 0; j < 27; j++) sum += weight.data[a * 27 + i]! * covariance[i * 27 + j]! * weight.data[b * 27 + j]!;
    }
    return sum / 2;
  };
  for (let a = 0; a < 27; a++) {
    for (let b = 0; b < 27; b++) assert.ok(Math.abs(common(a, b) - (a === b ? 1 : 0)) < 1e-3, `${a} and ${b}`);
    assert.ok(Math.abs(common(a, 27 + a) + 1) < 1e-3, "its opposite");
  }
  assert.deepEqual(weight.data.subarray(54 * 27), before.subarray(54 * 27));
});

test("the first convolution is the one that pictures go into, in every kind of stem", () => {
  const names = ["se-resnet-18", "se-resnet-18-d", "se-resnet-20", "se-bn-inception", "senet-154"];
  for (const name of names) {
    const network = model(name, 10);
    const graph = inferenceGraph(network, { batch: 1, imageSize: 64 });
    const first = firstConvolution(graph)!;
    assert.equal(first.type.shape[1], 3, name);
    assert.equal(
      first,
      graph.parameters.find(({ role }) => role === "weight"),
      name,
    );
  }
});

test("a flat picture leaves the filters as they are", () => {
  const statistics = new PatchStatistics([8, 3, 3, 3]);
  statistics.add(zeros("float32", [2, 3, 8, 8]));
  const graph = inferenceGraph(model("se-resnet-20", 10), { batch: 1, imageSize: 32 });
  const weight = initialWeights(graph, 1).get(firstConvolution(graph)!.name)!;
  const before = weight.data.slice();
  setPatchFilters(weight, statistics);
  assert.deepEqual(weight.data, before);
});
