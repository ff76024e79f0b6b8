import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaLabels, formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { assertClose } from "../../tests/support.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { lossGraph, model } from "../zoo/index.ts";
import { averageNote } from "./averaging.ts";
import { trainingConfig } from "./config.ts";
import { TrainingStep } from "./step.ts";

const [batchSize, imageSize, classes] = [4, 8, 3];
const network = model("se-resnet-8", classes);
const fresh = () => formulaWeights(lossGraph(network, { batch: batchSize, imageSize }));
const options = { batchSize, imageSize, average: { decay: 0.6, warmup: false } };
const pictures = (i: number) => formulaPictures(batchSize, imageSize, i);
const labels = (i: number) => formulaLabels(batchSize, classes, i);

test("an average that cannot follow its weights within the run is told, with what helps", () => {
  const note = (given: object, steps: number) => averageNote(trainingConfig({ modelEma: true, ...given }), steps);
  assert.match(note({}, 330)!, /^at the end 94 % of the average .*: a decay of 0\.9998 is slow for 330 steps/);
  assert.equal(note({}, 20_000), undefined);
  assert.equal(note({ modelEmaWarmup: true }, 330), undefined);
  assert.equal(note({ modelEmaDecay: 0.99 }, 330), undefined);
  assert.equal(note({ modelEma: false }, 330), undefined);
});

test("every parameter is averaged, running statistics too, and a run that goes on averages on", async () => {
  const weights = fresh();
  let step = await TrainingStep.create(referenceExecutor, network, weights, options);
  const expected = new Map([...weights].map(([name, { data }]) => [name, Float64Array.from(data)]));
  for (let i = 0; i < 4; i++) {
    if (i === 2) {
      const [optimizer, average] = [step.optimizerState, structuredClone(step.average!)];
      await step.dispose();
      step = await TrainingStep.create(referenceExecutor, network, weights, options, { optimizer, average });
    }
    await step.run(pictures(i), labels(i), 0.1, { index: i });
    await step.synchronise();
    const kept = i === 0 ? 0 : 0.6;
    for (const [name, average] of expected) {
      const { data } = weights.get(name)!;
      for (let k = 0; k < average.length; k++) average[k] = kept * average[k]! + (1 - kept) * data[k]!;
      assertClose(step.average!.get(name)!.data, average, 1e-6, `${name} after step ${i}`);
    }
  }
  assert.deepEqual([...step.average!.keys()].sort(), [...weights.keys()].sort());
  assert.notDeepEqual(step.average!.get("bn1.running_mean"), weights.get("bn1.running_mean"));
  await step.dispose();
});

test("the average of what is frozen later draws near to it, and of what never learnt is that itself", async () => {
  const weights = fresh();
  const first = await TrainingStep.create(referenceExecutor, network, weights, options);
  for (const index of [0, 1]) await first.run(pictures(index), labels(index), 0.1, { index });
  await first.synchronise();
  const [optimizer, average] = [first.optimizerState, first.average!];
  await first.dispose();
  const gamma = average.get("bn1.weight")!.data.slice();
  const frozen = { ...options, freezeBatchNorm: true };
  const step = await TrainingStep.create(referenceExecutor, network, weights, frozen, { optimizer, average });
  const stays = weights.get("bn1.weight")!.data.slice();
  await step.run(pictures(2), labels(2), 0.1, { index: 2 });
  await step.synchronise();
  assert.deepEqual(weights.get("bn1.weight")!.data, stays);
  const wanted = gamma.map((value, k) => 0.6 * value + 0.4 * stays[k]!);
  assertClose(step.average!.get("bn1.weight")!.data, wanted, 1e-6, "gamma");
  await step.dispose();

  const front = fresh();
  const half = await TrainingStep.create(referenceExecutor, network, front, { ...options, freeze: "stage2" });
  for (const index of [0, 1]) await half.run(pictures(index), labels(index), 0.1, { index });
  await half.synchronise();
  assert.equal(half.average!.get("conv1.weight")!.data, front.get("conv1.weight")!.data);
  assert.notDeepEqual(half.average!.get("fc.weight")!.data, front.get("fc.weight")!.data);
  await half.dispose();
});
