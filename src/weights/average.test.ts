import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaWeights } from "../../tests/formula.ts";
import { imagenetPreprocessing } from "../images/preprocess.ts";
import { isTrainable } from "../ir/graph.ts";
import { copyOf } from "../tensor.ts";
import { inferenceGraph, model } from "../zoo/index.ts";
import { encodeCheckpoint } from "./checkpoint-write.ts";
import { decodeCheckpoint } from "./decode-checkpoint.ts";
import { openFiles } from "./open.ts";

test("a run's file holds weights and their average: one to go on with, the other to be used", async () => {
  const network = model("se-resnet-8", 3);
  const graph = inferenceGraph(network, { batch: 1, imageSize: 32 });
  const weights = formulaWeights(graph);
  const average = new Map([...weights].map(([name, value]) => [name, copyOf(value)]));
  for (const { data } of average.values()) data[0]! += 1;
  const velocity = new Map(graph.parameters.filter(isTrainable).map(({ name }) => [name, weights.get(name)!]));
  const run = { config: {}, state: {}, optimizer: new Map([["velocity", velocity]]) };
  const rest = { model: network, labels: ["a", "b", "c"], weights };
  const preprocessing = { ...imagenetPreprocessing, resize: 36, crop: 32 };
  const fileOf = (more: object) =>
    Buffer.concat(encodeCheckpoint({ ...rest, preprocessing, run: { ...run, ...more } }));

  const bytes = fileOf({ average });
  const read = decodeCheckpoint(bytes, "last.safetensors");
  assert.deepEqual(read.weights.get("conv1.weight"), weights.get("conv1.weight"));
  assert.deepEqual(new Map(read.run!.average), average);
  const opened = await openFiles([{ where: "last.safetensors", bytes }]);
  assert.deepEqual(opened.checkpoint.weights.get("bn1.running_mean"), average.get("bn1.running_mean"));
  assert.match(opened.notes.join(), /moving average of the run.s weights is used/);

  const without = await openFiles([{ where: "last.safetensors", bytes: fileOf({}) }]);
  assert.deepEqual(without.checkpoint.weights.get("bn1.running_mean"), weights.get("bn1.running_mean"));
  assert.deepEqual(without.notes, []);
});
