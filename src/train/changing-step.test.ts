import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaLabels, formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { lossGraph, model } from "../zoo/index.ts";
import { ChangingStep, type StepForm } from "./changing-step.ts";
import { type StepState, TrainingStep } from "./step.ts";

const [batchSize, classes] = [3, 4];
const network = model("se-resnet-8", classes);
const fresh = () => formulaWeights(lossGraph(network, { batch: batchSize, imageSize: 8 }));
const labels = formulaLabels(batchSize, classes, 0);

test("weights, velocities and averages go on from form to form, as if each were a run that goes on", async () => {
  const [weights, expected] = [fresh(), fresh()];
  let compiled = 0;
  const compile = (own: ReturnType<typeof fresh>) => (form: StepForm, state?: StepState) => {
    compiled++;
    const average = { decay: 0.5, warmup: false };
    const options = { batchSize, ...form, optimizer: { name: "sgd", momentum: 0.9 }, average } as const;
    return TrainingStep.create(referenceExecutor, network, own, options, state);
  };
  const forms = [8, 8, 12, 12, 8, 8].map((imageSize, i) => ({ imageSize, freezeBatchNorm: i === 5 }));
  await using step = await ChangingStep.create(compile(weights), { imageSize: 8 });
  let gamma: unknown;
  for (const [index, form] of forms.entries()) {
    await step.change(form);
    await step.synchronise();
    gamma = weights.get("bn1.weight")!.data.slice();
    await step.run(formulaPictures(batchSize, form.imageSize, index), labels, 0.1, { index });
  }
  await step.synchronise();
  assert.equal(compiled, 4, "once for each change");
  assert.deepEqual(weights.get("bn1.weight")!.data, gamma, "frozen in the last step");

  let state: StepState | undefined;
  for (const [index, form] of forms.entries()) {
    await using one = await compile(expected)(form, state);
    await one.run(formulaPictures(batchSize, form.imageSize, index), labels, 0.1, { index });
    await one.synchronise();
    state = structuredClone({ optimizer: one.optimizerState, average: one.average });
  }
  for (const [name, { data }] of expected) assert.deepEqual(weights.get(name)!.data, data, name);
  assert.deepEqual({ optimizer: step.optimizerState, average: step.average }, state);
});
