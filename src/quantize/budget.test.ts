import assert from "node:assert/strict";
import { test } from "node:test";
import { quantizableLayers } from "../passes/quantize.ts";
import { inferenceGraph, model } from "../zoo/index.ts";
import { chooseLayers, divergenceOf } from "./budget.ts";

const layers = quantizableLayers(inferenceGraph(model("se-resnet-20"), { batch: 1, imageSize: 32 })).slice(0, 6);
const divergences = [0.1, 0.5, 0.2, 0.9, 0.3, 0.0];
/** A layer loses ten times its divergence. */
const lossOf = async (chosen: readonly unknown[]) =>
  layers.reduce((sum, layer, i) => sum + (chosen.includes(layer) ? 10 * divergences[i]! : 0), 0);

test("the dearest layers stay in float32, as many as the budget asks for", async () => {
  const all = await chooseLayers(layers, divergences, 25, lossOf);
  assert.equal(all.layers.length, 6);
  const some = await chooseLayers(layers, divergences, 6.1, lossOf);
  const kept = some.rows.filter(({ isFloat }) => isFloat).map(({ name }) => name);
  assert.deepEqual(kept, [layers[1]!.name, layers[3]!.name], "the two dearest: one is not enough");
  assert.ok(Math.abs(some.loss - 6) < 1e-9);
  assert.deepEqual(
    some.rows.map(({ divergence }) => divergence),
    divergences,
    "a row for each layer",
  );
});

test("where nothing fits the budget, nothing is in eight bits", async () => {
  const none = await chooseLayers(layers, divergences, 0.3, async () => 1);
  assert.deepEqual([none.layers.length, none.loss], [0, 0]);
});

test("the divergence of equal distributions is zero, and grows with what is lost", () => {
  assert.equal(divergenceOf([0.5, 0.5, 0], [0.5, 0.5, 0]), 0);
  assert.ok(Math.abs(divergenceOf([1, 0], [0.5, 0.5]) - Math.log(2)) < 1e-12);
  assert.ok(Number.isFinite(divergenceOf([1, 0], [0, 1])));
});
