/** A run of any network, as far as its report needs one. */

import assert from "node:assert/strict";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { collectReport } from "../src/report/run.node.ts";
import { trainingConfig } from "../src/train/config.ts";
import { saveRun } from "../src/train/out.node.ts";
import { initialState } from "../src/train/state.ts";
import { inferenceGraph, type Model } from "../src/zoo/index.ts";
import { temporaryFolder } from "./command.ts";
import { formulaWeights } from "./formula.ts";

const epoch = {
  ...{ epoch: 0, learningRate: 0.1, trainLoss: 1, trainTop1Error: 50, validationLoss: 1, validationTop1Error: 50 },
  ...{ validationTop5Error: null, seconds: 1, imagesPerSecond: 1, waitShare: 0 },
};

/** Asserts that the report of a run of the network on these pictures, one a class, has so many gates. */
export async function assertReported(
  network: Model,
  gates: number,
  { folder, labels, imageSize }: { folder: string; labels: readonly string[]; imageSize: number },
): Promise<void> {
  const weights = formulaWeights(inferenceGraph(network, { batch: 1, imageSize }));
  const preprocessing = { ...imagenetPreprocessing, resize: imageSize, crop: imageSize };
  const out = temporaryFolder();
  const run = {
    config: trainingConfig({ model: "se-resnet-20", batchSize: 4 }),
    state: { ...initialState, epoch: 1, bestTop1Error: 50, history: [epoch] },
    optimizer: new Map(),
  };
  await saveRun(out, { model: network, labels, preprocessing, weights }, run, true);
  const report = await collectReport({ title: "Gates", out, data: folder, command: "senet train" });
  assert.equal(report.validationImages, labels.length);
  assert.equal(report.gates.length, gates, network.name);
  assert.ok(report.gates.every(({ means }) => Array.from(means).every((mean) => mean > 0 && mean < 1)));
}
