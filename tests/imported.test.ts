/** A network under names that nobody knows is recomputed, opened up and reported as ours are. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { differentiate } from "../src/autodiff/differentiate.ts";
import { writeDemoPictures } from "../src/demo/write.node.ts";
import type { EvaluationBatch } from "../src/evaluate/evaluate.ts";
import { meanGates } from "../src/evaluate/excitation.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { verify } from "../src/ir/verify.ts";
import { recompute } from "../src/passes/recompute.ts";
import { tensor, zeros } from "../src/tensor.ts";
import { inferenceGraph, inputName, lossGraph, type Model, model, targetsName } from "../src/zoo/index.ts";
import { temporaryFolder } from "./command.ts";
import { formulaPictures, formulaWeights } from "./formula.ts";
import { imported } from "./imported.ts";
import { peak } from "./memory.ts";
import { assertReported } from "./reported.ts";

const imageSize = 32;
const { config } = model("se-resnet-50");
assert.ok(config.family === "resnet");
/** Two stages of bottlenecks, narrow and for any number of classes. */
const narrow = (classes: number, depths: readonly number[] = [2, 2]): Model => ({
  name: "narrow",
  config: { ...config, depths, widths: [8, 16], se: { reduction: 4, bias: true } },
  classes,
});
const ours = narrow(3);
const weights = formulaWeights(inferenceGraph(ours, { batch: 1, imageSize }));
const foreign = imported(ours, weights, imageSize);

/** Each node with its operation, the number of its block and the block's stage, and its tag. */
function placesOf(model: Model) {
  const { nodes } = inferenceGraph(model, { batch: 1, imageSize });
  const blocks = [...new Set(nodes.map(({ block }) => block?.name))];
  return nodes.map(({ op, block, tag }) => [op, blocks.indexOf(block?.name), block?.stage, tag]);
}

test("its blocks, stages, gates and classifier are found where our own network has them", () => {
  assert.equal(foreign.model.config.family, "layers");
  assert.deepEqual(placesOf(foreign.model), placesOf(ours));
});

test("its blocks are computed again for the backward pass, and the gradients are the same to the last bit", async () => {
  const batch = 2;
  const forward = lossGraph(foreign.model, { batch, imageSize });
  const graph = differentiate(forward);
  const less = recompute(graph, forward);
  verify(less, "recompute");
  assert.ok(less.nodes.length > graph.nodes.length + 40);
  const targets = zeros("float32", [batch, 3]);
  targets.data.fill(1 / 3);
  const inputs = new Map([
    [inputName, formulaPictures(batch, imageSize, 0)],
    [targetsName, targets],
  ]);
  const run = async (one: typeof graph) => (await referenceExecutor.compile(one, foreign.weights)).run(inputs);
  const [a, b] = [await run(graph), await run(less)];
  assert.ok(a.size > 50);
  for (const [name, { data }] of a) assert.deepEqual(b.get(name)!.data, data, name);
});

test("its activations are not kept", () => {
  const deep = narrow(3, [6, 6]);
  const { model } = imported(deep, formulaWeights(inferenceGraph(deep, { batch: 1, imageSize })), imageSize);
  const forward = lossGraph(model, { batch: 8, imageSize: 64 });
  const graph = differentiate(forward);
  const less = recompute(graph, forward);
  assert.ok(peak(less) < 0.6 * peak(graph), `${peak(less)} bytes of ${peak(graph)}`);
});

test("its gates answer as those of our own network", async () => {
  async function* batches(): AsyncGenerator<EvaluationBatch> {
    const labels = tensor([2], Int32Array.of(0, 2));
    yield { images: formulaPictures(2, imageSize, 0), labels, samples: [0, 1], size: 2 };
  }
  const shared = { executor: referenceExecutor, batchSize: 2, imageSize };
  const found = await meanGates({ ...shared, ...foreign, batches: batches() });
  const expected = await meanGates({ ...shared, model: ours, weights, batches: batches() });
  assert.deepEqual(
    found.map(({ stage, channels }) => [stage, channels]),
    [
      [1, 32],
      [1, 32],
      [2, 64],
      [2, 64],
    ],
  );
  assert.ok(found.every(({ block }) => /^a\d+$/.test(block)));
  for (const [i, { means }] of found.entries()) assert.deepEqual(means, expected[i]!.means);
});

test("the report of a run has its gates", async () => {
  const { folder, classes: labels } = await writeDemoPictures(join(temporaryFolder(), "pictures"), {
    ...{ trainPerClass: 1, valPerClass: 1, heldBackPerClass: 1, size: 32 },
  });
  const known = narrow(labels.length);
  const its = imported(known, formulaWeights(inferenceGraph(known, { batch: 1, imageSize })), imageSize);
  await assertReported(its.model, 4, { folder, labels, imageSize });
});
