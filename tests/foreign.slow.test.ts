/** The original prototxts imported layer by layer, beside the zoo's networks with the same weights. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { importCaffeNetwork } from "../src/import/caffe-network.ts";
import { caffeSource, renameTensors } from "../src/import/rename.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../src/tensor.ts";
import { loadWeights } from "../src/weights/load.ts";
import { inferenceGraph, inputName, type Model, model } from "../src/zoo/index.ts";
import type { CaffePart } from "./caffe.ts";
import { formulaPictures, uniform } from "./formula.ts";
import { caffe, layersOf, originalTests, prototxt } from "./originals.ts";
import { assertClose, needsShared } from "./support.ts";

originalTests(["SE-ResNet-101", "SE-ResNet-152", "SE-ResNeXt-50", "SE-ResNeXt-101", "SENet-154"]);

/** A layer's blob by its name and place. */
function formulaBlob(shape: Shape, part: CaffePart, layer: string): Tensor {
  let stream = part.length;
  for (let i = 0; i < layer.length; i++) stream = Math.imul(stream, 31) + layer.charCodeAt(i);
  const bound = Math.sqrt(6 / sizeOf(shape.slice(1)));
  const value: Readonly<Record<CaffePart, (u: number) => number>> = {
    weight: (u) => (2 * u - 1) * bound,
    bias: (u) => 0.2 * (u - 0.5),
    gamma: (u) => 0.5 + 0.5 * u,
    beta: (u) => 0.2 * (u - 0.5),
    mean: (u) => 4 * (u - 0.5),
    variance: (u) => 20 * (0.5 + u),
    factor: () => 20,
  };
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => value[part](uniform(stream, i)));
  return tensor(shape, data);
}

async function logits(model: Model, weights: ReadonlyMap<string, Tensor>, pictures: Tensor): Promise<Tensor> {
  const graph = inferenceGraph(model, { batch: pictures.shape[0]!, imageSize: pictures.shape[2]! });
  const executable = await ortExecutor.compile(graph, weights);
  const outputs = await executable.run(new Map([[inputName, pictures]]));
  await executable.dispose();
  return outputs.get("logits")!;
}

for (const name of ["SE-BN-Inception", "SE-ResNet-50"]) {
  test(
    `${name}: the import of the original prototxt gives the zoo's network's logits`,
    needsShared("caffe"),
    async () => {
      const layers = layersOf(name.toLowerCase(), formulaBlob);
      const imported = importCaffeNetwork(prototxt("caffe", `${name}.prototxt`), layers, name);
      const ours = model(name.toLowerCase());
      const graph = inferenceGraph(ours, { batch: 1, imageSize: 64 });
      const weights = loadWeights(graph, renameTensors(caffeSource(layers), graph, caffe, name), name);
      const pictures = formulaPictures(1, 64, 3);
      const expected = await logits(ours, weights, pictures);
      const found = await logits(imported.model, imported.weights, pictures);
      assert.ok(Math.max(...expected.data) - Math.min(...expected.data) > 0.1);
      assertClose(found.data, expected.data, 1e-5, name);
    },
  );
}
