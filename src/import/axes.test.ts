import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaWeights } from "../../tests/formula.ts";
import { tensor } from "../tensor.ts";
import { inferenceGraph, model } from "../zoo/index.ts";
import { fromOurs, ourShape, toOurs } from "./axes.ts";
import { findModel } from "./find-model.ts";
import type { Naming } from "./naming.ts";
import { namingByName, renameTensors } from "./rename.ts";
import { weightsAs } from "./write.ts";

test("a weight with its input channels last but one becomes ours, element by element", () => {
  const [height, width, into, out] = [2, 3, 4, 5];
  const theirs = tensor(
    [height, width, into, out],
    Float32Array.from({ length: 120 }, (_, i) => i),
  );
  const ours = toOurs(theirs, "HWIO");
  assert.deepEqual(ours.shape, [out, into, height, width]);
  assert.deepEqual(ourShape(theirs.shape, "HWIO"), ours.shape);
  for (let o = 0; o < out; o++)
    for (let i = 0; i < into; i++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
          assert.equal(
            ours.data[((o * into + i) * height + y) * width + x],
            theirs.data[((y * width + x) * into + i) * out + o],
          );
  assert.deepEqual(fromOurs(ours, "HWIO"), theirs);
});

test("matrices are turned, vectors and weights in our order stay the tensors that they are", () => {
  const matrix = tensor([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
  assert.deepEqual(toOurs(matrix, "HWIO"), tensor([3, 2], Float32Array.of(1, 4, 2, 5, 3, 6)));
  const vector = tensor([3], Float32Array.of(1, 2, 3));
  assert.equal(toOurs(vector, "HWIO"), vector);
  assert.equal(toOurs(matrix, "OIHW"), matrix);
  assert.equal(fromOurs(matrix, "OIHW"), matrix);
});

test("a network is written, found and read under a naming of another order", () => {
  const network = model("se-resnet-20", 7);
  const graph = inferenceGraph(network, { batch: 1, imageSize: 32 });
  const weights = formulaWeights(graph);
  const naming: Naming = { ...namingByName("senet"), axes: "HWIO" };
  const source = weightsAs({ model: network, weights }, naming);
  assert.ok(source.kind === "tensors");
  assert.deepEqual(source.tensors.get("conv1.weight")!.shape, [3, 3, 3, 16]);
  assert.deepEqual(source.tensors.get("layer2.0.conv1.weight")!.shape, [3, 3, 16, 32]);
  assert.deepEqual(source.tensors.get("fc.weight")!.shape, [64, 7]);
  const found = findModel(source, naming, "other.safetensors");
  assert.deepEqual(found.model, network);
  assert.deepEqual(renameTensors(source, graph, naming, "other.safetensors"), weights);
});
