/** Training that begins with a network that has learnt before: resumed, on grey pictures, with gates that are new. */

import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { learntBefore, quick, tunedOn } from "../../tests/fine-tuning.ts";
import { load } from "./network.node.ts";
import { type TrainedRun, type TrainOptions, train } from "./train.node.ts";

const folder = temporaryFolder();
const data = join(folder, "pictures");
/** Two classes of other names. */
const other = join(folder, "other");
let source: TrainedRun;
let picture: string;

before(async () => {
  ({ picture, source } = await learntBefore(folder, data, other));
});

const tuned = (name: string, options: TrainOptions, on = other) => tunedOn(on, join(folder, name), options);

test("a fine-tuned run that was stopped goes on along the same curve, without its source", async () => {
  const options = {
    weights: source.best,
    freeze: "stage1",
    layerDecay: 0.7,
    classWeights: "balanced",
    epochs: 3,
  } as const;
  const whole = await tuned("whole", options);
  const stop = new AbortController();
  const out = join(folder, "stopped");
  const onEpoch = () => stop.abort();
  const stopped = await train(other, { ...quick, ...options, out, signal: stop.signal, onEpoch });
  assert.equal(stopped.finished, false);
  const hidden = `${source.best}.away`;
  renameSync(source.best, hidden);
  try {
    const resumed = await train(other, { out, resume: true, workers: 1 });
    assert.deepEqual(
      resumed.history.map(({ trainLoss, validationLoss }) => [trainLoss, validationLoss]),
      whole.run.history.map(({ trainLoss, validationLoss }) => [trainLoss, validationLoss]),
    );
    await using one = await load(whole.run.last);
    await using two = await load(resumed.last);
    for (const [name, { data }] of one.weights) assert.deepEqual(two.weights.get(name)!.data, data, name);
  } finally {
    renameSync(hidden, source.best);
  }
});

test("what is said stands in the place of what the source has", async () => {
  const { run } = await tuned("larger", { weights: source.best, imageSize: 32, interpolation: "bilinear" });
  await using network = await load(run.best);
  const { crop, resize, interpolation } = network.preprocessing;
  // 30 for 24 is 40 for 32.
  assert.deepEqual([crop, resize, interpolation], [32, 40, "bilinear"]);
});

test("a plain network becomes one with gates that change nothing at first", async () => {
  const plain = await train(data, { ...quick, model: "resnet-8", imageSize: 24, out: join(folder, "plain") });
  const { run, notes } = await tuned("gated", { weights: plain.best, model: "se-resnet-8", learningRate: 1e-12 }, data);
  assert.ok(notes.includes("new gates change nothing at first, in layer1.0, layer2.0, layer3.0"), notes.join("\n"));
  await using network = await load(run.best);
  assert.equal(network.model.name, "se-resnet-8");
  const gates = await network.gates(join(data, "val"));
  assert.ok(gates.every(({ means }) => means.every((mean) => Math.abs(mean - 0.5) < 1e-3)));
});

test("grey pictures: what is trained on them is used without a word, and can be the source of more", async () => {
  const out = join(folder, "grey");
  const run = await train(data, { ...quick, model: "se-resnet-8", inChans: 1, out });
  const check = async (weights: string, pictures: string) => {
    await using network = await load(weights);
    assert.equal(network.preprocessing.channels, "grey");
    assert.deepEqual(network.weights.get("conv1.weight")!.shape, [16, 1, 3, 3]);
    assert.ok((await network.classify(picture)).length > 0);
    return (await network.evaluate(join(pictures, "val"))).top1Error;
  };
  assert.equal(await check(run.best, data), run.top1Error);
  const longer = await train(data, { out, resume: true, epochs: 2, workers: 1 });
  assert.equal(longer.history.length, 2);
  const again = await tuned("grey-again", { weights: run.best });
  assert.equal(await check(again.run.best, other), again.run.top1Error);
  // Of one for colours the first convolution is summed up.
  const turned = await tuned("grey-turned", { weights: source.best, inChans: 1 });
  assert.equal(await check(turned.run.best, other), turned.run.top1Error);
});
