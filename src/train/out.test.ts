import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { formulaWeights } from "../../tests/formula.ts";
import { imagenetPreprocessing } from "../images/preprocess.ts";
import { decodeCheckpoint } from "../weights/decode-checkpoint.ts";
import { inferenceGraph, model } from "../zoo/index.ts";
import { trainingConfig } from "./config.ts";
import { saveRun } from "./out.node.ts";
import { type EpochMetrics, initialState } from "./state.ts";

const out = mkdtempSync(join(tmpdir(), "senet-test-"));
after(() => rmSync(out, { recursive: true, force: true }));

test("of the epochs so many of the best are kept, the earlier of equal ones", async () => {
  const network = model("se-resnet-8", 2);
  const weights = formulaWeights(inferenceGraph(network, { batch: 1, imageSize: 32 }));
  const preprocessing = { ...imagenetPreprocessing, resize: 36, crop: 32 };
  const config = trainingConfig({ model: "se-resnet-20" });
  const rest = {
    ...{ learningRate: 0.1, trainLoss: 2, trainTop1Error: 90, validationLoss: 2.5, validationTop5Error: null },
    ...{ seconds: 3, imagesPerSecond: 20, waitShare: 0.1 },
  };
  const history: EpochMetrics[] = [];
  const kept: string[] = [];
  for (const [epoch, validationTop1Error] of [50, 40, 60, 40, 30, 35].entries()) {
    history.push({ epoch, validationTop1Error, ...rest });
    const state = { ...initialState, epoch: epoch + 1, bestTop1Error: 30, history };
    await saveRun(
      out,
      { model: network, labels: ["a", "b"], preprocessing, weights },
      { config, state, optimizer: new Map() },
      false,
      2,
    );
    kept.push(
      readdirSync(out)
        .join()
        .replaceAll(/[^,]*epoch-(\d+)\.safetensors|[^,]+/g, "$1")
        .replaceAll(/^,+|,+$|,(?=,)/g, ""),
    );
  }
  assert.deepEqual(kept, ["1", "1,2", "1,2", "2,4", "2,5", "5,6"]);
  const { training } = decodeCheckpoint(readFileSync(join(out, "epoch-5.safetensors")), "epoch-5");
  assert.deepEqual(training, { recipe: null, seed: 0, epoch: 5, epochs: 20, top1Error: 30 });
});
