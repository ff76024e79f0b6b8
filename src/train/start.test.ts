import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { imagenetPreprocessing } from "../images/preprocess.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../weights/checkpoint.ts";
import { inferenceGraph, type Model } from "../zoo/index.ts";
import { trainingConfig } from "./config.ts";
import { type SourceNetwork, startOf } from "./start.ts";

const labels = ["a", "b"];
const begin = (given: object, source?: SourceNetwork) =>
  startOf({ config: trainingConfig({ model: "se-resnet-20", ...given }), labels, source });

/** How often each activation stands in the network. */
function activationsOf(model: Model): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { op } of inferenceGraph(model, { batch: 1, imageSize: 32 }).nodes) {
    if (op === "relu" || op === "silu" || op === "mish") counts[op] = (counts[op] ?? 0) + 1;
  }
  return counts;
}

test("an activation that is asked for stands everywhere but within squeeze and excitation, as timm's act_layer does", () => {
  assert.deepEqual(activationsOf(begin({}).model), { relu: 1 + 9 * 3 });
  assert.deepEqual(activationsOf(begin({ act: "mish" }).model), { mish: 1 + 9 * 2, relu: 9 });
  assert.deepEqual(activationsOf(begin({ model: "se-resnet-50-d", imageSize: 64, act: "silu" }).model), {
    silu: 3 + 16 * 3,
    relu: 16,
  });
  // What a network has anyway leaves its configuration as it is in files of before.
  assert.deepEqual(begin({ act: "relu" }).model, begin({}).model);
});

test("a file keeps it, and who trains further has it unless another is asked for", () => {
  const { model, weights, preprocessing } = begin({ act: "mish" });
  const bytes = Buffer.concat(encodeCheckpoint({ model, labels, preprocessing, weights }));
  const source = { ...decodeCheckpoint(bytes, "file"), from: "file" };
  assert.deepEqual(source.model, model);
  assert.deepEqual(begin({}, source).model.config, model.config);
  assert.deepEqual(activationsOf(begin({ act: "silu" }, source).model), { silu: 19, relu: 9 });
  assert.deepEqual(activationsOf(begin({ act: "relu" }, source).model), { relu: 28 });
  assert.deepEqual(begin({}, source).weights.get("conv1.weight"), weights.get("conv1.weight"));
});

test("networks that have no choice of activations refuse one", () => {
  const build = (given: object, source?: SourceNetwork) => () => begin(given, source);
  const isRefused = (error: unknown) => error instanceof SenetError && /another activation/.test(error.message);
  assert.throws(build({ model: "se-bn-inception", act: "mish" }), isRefused);
  assert.deepEqual(begin({}).preprocessing, imagenetPreprocessing);
});
