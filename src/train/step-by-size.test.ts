import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaLabels, formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import type { OptimizerState } from "../optim/rule.ts";
import { lossGraph, model } from "../zoo/index.ts";
import { TrainingStep } from "./step.ts";
import { StepBySize } from "./step-by-size.ts";

const [batchSize, classes] = [3, 4];
const network = model("se-resnet-8", classes);
const fresh = () => formulaWeights(lossGraph(network, { batch: batchSize, imageSize: 8 }));
const labels = formulaLabels(batchSize, classes, 0);

test("weights and velocities go on from size to size, as if each size were a run that goes on", async () => {
  const [weights, expected] = [fresh(), fresh()];
  let compiled = 0;
  const compile = (own: ReturnType<typeof fresh>) => (imageSize: number, state?: OptimizerState) => {
    compiled++;
    const optimizer = { name: "sgd", momentum: 0.9 } as const;
    return TrainingStep.create(referenceExecutor, network, own, { batchSize, imageSize, optimizer }, state);
  };
  const sizes = [8, 8, 12, 12, 8];
  await using step = await StepBySize.create(compile(weights), 8);
  for (const [index, size] of sizes.entries()) {
    await step.resize(size);
    await step.run(formulaPictures(batchSize, size, index), labels, 0.1, { index });
  }
  await step.synchronise();
  assert.equal(compiled, 3, "once for each change of size");

  let state: OptimizerState | undefined;
  for (const [index, size] of sizes.entries()) {
    await using one = await compile(expected)(size, state);
    await one.run(formulaPictures(batchSize, size, index), labels, 0.1, { index });
    await one.synchronise();
    state = structuredClone(one.optimizerState);
  }
  for (const [name, { data }] of expected) assert.deepEqual(weights.get(name)!.data, data, name);
  assert.deepEqual(step.optimizerState, state);
});
