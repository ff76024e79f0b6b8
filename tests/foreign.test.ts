/** Networks that others defined and trained: Caffe's definitions imported layer by layer, and PyTorch's CIFAR ResNet-20. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { graphCost } from "../src/ir/cost.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../src/tensor.ts";
import { importCaffeNetwork } from "../src/weights/caffe-network.ts";
import { namingByName } from "../src/weights/maps/rename.ts";
import { parsePrototxt } from "../src/weights/prototxt.ts";
import { inferenceGraph, type Model, model } from "../src/zoo/index.ts";
import { type CaffePart, caffeLayers } from "./caffe.ts";
import { needsShared, sharedData } from "./support.ts";
import { bytesOf } from "./weights.ts";

const prototxt = (...path: string[]) => parsePrototxt(bytesOf(sharedData(...path)), path.at(-1)!);

const caffe = namingByName("caffe");
const layersOf = (name: string, blob: (shape: Shape, part: CaffePart, layer: string) => Tensor) => {
  assert.ok(caffe.style === "caffe");
  return caffeLayers(inferenceGraph(model(name), { batch: 1, imageSize: 64 }), caffe, blob);
};

const countsOf = (ops: readonly string[]) => {
  const counts = new Map<string, number>();
  for (const op of ops) counts.set(op, (counts.get(op) ?? 0) + 1);
  return counts;
};

/** Memory that all blobs of a network share, where only shapes matter. */
const ground = new Float32Array(2 ** 25).fill(1);

const names = ["SE-BN-Inception", "SE-ResNet-50", "SE-ResNet-101", "SE-ResNet-152", "SE-ResNeXt-50"];
for (const name of [...names, "SE-ResNeXt-101", "SENet-154"]) {
  test(`${name}: the import of the original prototxt has the zoo's network's cost`, needsShared("caffe"), () => {
    const layers = layersOf(name.toLowerCase(), (shape) => tensor(shape, ground.subarray(0, sizeOf(shape))));
    const { model: imported } = importCaffeNetwork(prototxt("caffe", `${name}.prototxt`), layers, name);
    assert.deepEqual([imported.config.family, imported.classes], ["layers", 1000]);
    const cost = (model: Model, imageSize: number) => {
      const graph = inferenceGraph(model, { batch: 1, imageSize });
      const { parameters, values, multiplyAdds } = graphCost(graph);
      return { parameters, values, multiplyAdds, kinds: countsOf(graph.nodes.map(({ op }) => op)) };
    };
    for (const side of [224, 96]) assert.deepEqual(cost(imported, side), cost(model(name.toLowerCase()), side));
  });
}
