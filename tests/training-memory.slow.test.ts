/** Memory stays as it is over 200 steps, on every engine: `bench/memory.ts` measures the same of large networks. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { selectExecutor } from "../src/executors/select.node.ts";
import { TrainingStep } from "../src/train/step.ts";
import { lossGraph, model } from "../src/zoo/index.ts";
import { formulaLabels, formulaPictures, formulaWeights } from "./formula.ts";

const steps = 200;
/** What pools and the collector may take in between; a step's activations are 3 MiB. */
const allowedMiB = 16;

/** Without the heap of JavaScript, which grows and shrinks as the collector likes. */
const nativeMiB = (): number => {
  const { rss, heapTotal } = process.memoryUsage();
  return (rss - heapTotal) / 2 ** 20;
};

for (const [name, precision] of [
  ["onednn", "float32"],
  ["onednn", "bf16"],
  ["ort", "float32"],
] as const) {
  const selected = await selectExecutor({ name, precision, purpose: "training" }).catch((error: unknown) => `${error}`);
  const skip = typeof selected === "string" && selected;
  test(`${name} in ${precision}: memory is flat over ${steps} steps`, { skip }, async () => {
    if (typeof selected === "string") return;
    const network = model("se-resnet-8", 4);
    const weights = formulaWeights(lossGraph(network, { batch: 4, imageSize: 32 }));
    const optimizer = { name: "sgd", nesterov: true } as const;
    const options = { batchSize: 4, imageSize: 32, optimizer, weightDecay: 5e-4, threads: 1 };
    await using step = await TrainingStep.create(selected.executor, network, weights, options);
    const [images, labels] = [formulaPictures(4, 32, 0), formulaLabels(4, 4, 0)];
    const run = async (count: number) => {
      for (let i = 0; i < count; i++) await step.run(images, labels, 1e-3);
      return nativeMiB();
    };
    // Pools fill and functions are compiled first.
    const before = await run(50);
    const after = await run(steps);
    assert.ok(after - before < allowedMiB, `${before.toFixed(1)} MiB, then ${after.toFixed(1)}`);
  });
}
