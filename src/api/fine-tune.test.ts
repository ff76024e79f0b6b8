/** Training that begins with a network that has learnt before. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { learntBefore, quick, tunedOn } from "../../tests/fine-tuning.ts";
import { SenetError } from "../errors.ts";
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

test("another folder: the source's network and pre-processing, a new head, and the rest listed", async () => {
  const { run, notes } = await tuned("tuned", { weights: source.best, freeze: "stage2" });
  assert.deepEqual(
    [run.config.model, run.config.imageSize, run.config.interpolation],
    ["se-resnet-8", 24, "bicubic"],
    "as the source has it",
  );
  assert.ok(
    notes.some((line) => /^\d+ of \d+ tensors are those of .*best\.safetensors: conv1 \(1\)/.test(line)),
    notes.join("\n"),
  );
  assert.ok(notes.includes("new, since the classes are others: fc.weight, fc.bias"), notes.join("\n"));
  await using before = await load(source.best);
  await using after = await load(run.best);
  assert.deepEqual(after.labels, ["green", "sea"]);
  assert.deepEqual(after.preprocessing, before.preprocessing);
  for (const [name, { data, shape }] of after.weights) {
    const old = before.weights.get(name)!;
    if (name.startsWith("fc.")) assert.equal(shape[0], 2);
    else if (/^(conv1|bn1|layer[12])\b/.test(name)) assert.deepEqual(data, old.data, `${name} is frozen`);
    else assert.notDeepEqual(data, old.data, `${name} learns`);
  }
  // Nobody needs to say anything more of it.
  const [first] = await after.classify(picture);
  assert.ok(["green", "sea"].includes(first!.label));
  assert.equal((await after.evaluate(join(other, "val"))).top1Error, run.top1Error);
});

test("what cannot be is refused before anything is written", async () => {
  const refused = async (options: TrainOptions, words: RegExp) => {
    const out = join(folder, "refused");
    await assert.rejects(
      async () => await train(other, { ...quick, ...options, out }),
      (error) => error instanceof SenetError && error.code === "usage" && words.test(error.message),
    );
    assert.ok(!existsSync(out), `${words}`);
  };
  await refused(
    { weights: source.best, freeze: "stage9" },
    /no part "stage9" to freeze[\s\S]*stem, stage1, stage2, stage3/,
  );
  await refused({ weights: "se-resnet-5O" }, /no released weights of that name/);
  await refused(
    { model: "se-bn-inception", inChans: 1 },
    /`inChans`: the input channels of this network cannot be changed/,
  );
  await refused({ model: "se-resnet-8", layerDecay: 2 }, /layerDecay: expected at most 1, found 2/);
  await refused({ keepBest: -1 }, /keepBest: this training option[\s\S]*1 or more/);
  await refused({ timeBudgetSeconds: Number.NaN }, /timeBudgetSeconds: this training option[\s\S]*above 0/);
});
