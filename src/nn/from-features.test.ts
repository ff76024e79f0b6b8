import assert from "node:assert/strict";
import { test } from "node:test";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { tensor } from "../tensor.ts";
import { initialWeights } from "../weights/init.ts";
import { inferenceGraph, inputName, lossGraph, model } from "../zoo/index.ts";
import { featuresIn, fromFeatures } from "./from-features.ts";

test("the head by itself says of features what the network says of their pictures", async () => {
  const network = model("se-resnet-8", 3);
  const graph = inferenceGraph(network, { batch: 2, imageSize: 8 });
  const weights = initialWeights(graph, 1);
  const features = featuresIn(graph);
  const exposed = { ...graph, outputs: new Map([...graph.outputs, ["features", features] as const]) };
  const pictures = Float32Array.from({ length: 2 * 3 * 8 * 8 }, (_, i) => Math.sin(i));
  await using whole = await referenceExecutor.compile(exposed, weights);
  const said = await whole.run(new Map([[inputName, tensor([2, 3, 8, 8], pictures)]]));
  await using head = await referenceExecutor.compile(fromFeatures(graph, inputName), weights);
  const found = await head.run(new Map([[inputName, said.get("features")!]]));
  assert.deepEqual(found.get("logits"), said.get("logits"));
});

test("in training the head is what is left to learn, with the targets and without running statistics", () => {
  const network = model("se-resnet-8", 3);
  const head = fromFeatures(lossGraph(network, { batch: 4, imageSize: 8, freeze: "backbone" }), inputName);
  assert.deepEqual(
    head.inputs.map(({ name, type }) => [name, type.shape]),
    [
      [inputName, [4, 64]],
      ["targets", [4, 3]],
    ],
  );
  assert.deepEqual(
    head.parameters.map(({ name }) => name),
    ["fc.weight", "fc.bias"],
  );
  assert.equal(head.updates.size, 0);
});
