import assert from "node:assert/strict";
import { test } from "node:test";
import { differentiate, gradientOf } from "../autodiff/differentiate.ts";
import { placeOf } from "../data/epoch.ts";
import type { Tensor } from "../tensor.ts";
import { lossGraph, model } from "../zoo/index.ts";
import { Dropout } from "./dropout.ts";

const graph = lossGraph(model("senet-154", 10), { batch: 8, imageSize: 32 });
const draw = (seed: number, step: number): number[] => {
  const inputs = new Map<string, Tensor>();
  new Dropout(graph, seed).feed(inputs, step);
  return [...inputs.get("dropout.keep")!.data];
};

test("dropout keeps its share, scaled so that the mean stays", () => {
  const keep = draw(1, 0);
  assert.equal(keep.length, 8 * 2048);
  assert.deepEqual([...new Set(keep)].sort(), [0, 1.25]);
  const dropped = keep.filter((value) => value === 0).length / keep.length;
  assert.ok(Math.abs(dropped - 0.2) < 0.015, `${dropped}`);
});

test("a step's draw depends on the seed and the step alone", () => {
  assert.deepEqual(draw(1, 7), draw(1, 7));
  assert.notDeepEqual(draw(1, 7), draw(1, 8));
  assert.notDeepEqual(draw(1, 7), draw(2, 7));
});

test("a network without dropout is fed nothing, and gradients pass through dropout", () => {
  const inputs = new Map<string, Tensor>();
  new Dropout(lossGraph(model("se-resnet-20"), { batch: 2, imageSize: 32 }), 1).feed(inputs, 0);
  assert.equal(inputs.size, 0);
  const backward = differentiate(graph);
  assert.ok(backward.nodes.some(({ op, name }) => op === "dropout" && name === "dropout.backward"));
  assert.ok(backward.outputs.has(gradientOf("conv1.weight")) || backward.outputs.has(gradientOf("stem.conv1.weight")));
});

test("ranks draw the rows of the whole batch that are theirs", () => {
  const width = 2048;
  const whole = draw(1, 3);
  const half = lossGraph(model("senet-154", 10), { batch: 4, imageSize: 32 });
  for (const rank of [0, 1]) {
    const share = { rank, count: 2 };
    const inputs = new Map<string, Tensor>();
    new Dropout(half, 1, share).feed(inputs, 3);
    const { data } = inputs.get("dropout.keep")!;
    for (let row = 0; row < 4; row++) {
      const place = placeOf({ share, batchSize: 4 }, row) * width;
      assert.deepEqual([...data.subarray(row * width, (row + 1) * width)], whole.slice(place, place + width));
    }
  }
});
