/** The original prototxts: imported layer by layer, and known for the zoo's networks. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePrototxt } from "../src/formats/prototxt.ts";
import { importCaffeNetwork } from "../src/import/caffe-network.ts";
import { caffeSource, namingByName } from "../src/import/rename.ts";
import { graphCost } from "../src/ir/cost.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../src/tensor.ts";
import { openCaffe } from "../src/weights/open-caffe.ts";
import { inferenceGraph, type Model, model } from "../src/zoo/index.ts";
import { type CaffePart, caffeLayers } from "./caffe.ts";
import { needsShared, sharedData } from "./support.ts";
import { bytesOf } from "./weights.ts";

export const prototxt = (...path: string[]) => parsePrototxt(bytesOf(sharedData(...path)), path.at(-1)!);

export const caffe = namingByName("caffe");
export const layersOf = (name: string, blob: (shape: Shape, part: CaffePart, layer: string) => Tensor) => {
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

export function originalTests(names: readonly string[]): void {
  for (const name of names) originalTest(name);
}

function originalTest(name: string): void {
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

  test(
    `${name}: the original prototxt is known for the zoo's network, and not once it is changed`,
    needsShared("caffe"),
    () => {
      const layers = layersOf(name.toLowerCase(), (shape) => tensor(shape, ground.subarray(0, sizeOf(shape))));
      const text = new TextDecoder().decode(bytesOf(sharedData("caffe", `${name}.prototxt`)));
      const open = (prototxt: string) => {
        const given = { where: name, definition: parsePrototxt(new TextEncoder().encode(prototxt), name) };
        return openCaffe({ where: name, source: caffeSource(layers), layers, own: undefined, given, mean: undefined })!;
      };
      const { model: found, naming, preprocessing } = open(text);
      assert.deepEqual([found.name, naming?.name], [name.toLowerCase(), "caffe"]);
      assert.deepEqual([preprocessing.mean, preprocessing.resize, preprocessing.crop], [[104, 117, 123], 256, 224]);
      // The pooling after the first convolution averages.
      const changed = open(text.replace("pool: MAX", "pool: AVE"));
      assert.deepEqual([changed.model.config.family, changed.naming], ["layers", undefined]);
      assert.match(changed.notes.join("\n"), /its definition is used/);
    },
  );
}
