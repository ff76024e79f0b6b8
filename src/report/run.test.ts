import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { writeDrawnPictures } from "../../tests/drawn.ts";
import { SenetError } from "../errors.ts";
import { formatOf } from "../images/format.ts";
import { trainingConfig } from "../train/config.ts";
import { type RunResult, trainRun } from "../train/run.node.ts";
import { collectReport, report, reportAfter } from "./run.node.ts";

const folder = temporaryFolder();
const pictures = join(folder, "pictures");
const out = join(folder, "run");
let heldBack: string[] = [];
let result: RunResult;

const silent = { onStart() {}, onStep() {}, onEpoch() {} };

before(async () => {
  heldBack = writeDrawnPictures(pictures, { train: 4, val: 5, size: 70 });
  const config = trainingConfig({ model: "se-resnet-8", epochs: 2, batchSize: 6, imageSize: 16, bceLoss: true });
  const signal = new AbortController().signal;
  const command = "senet train --data pictures";
  result = await trainRun({
    data: pictures,
    out,
    config,
    resume: false,
    command,
    workers: 1,
    executor: "ort",
    signal,
    ...silent,
  });
});

test("the report of a run has its history, what was typed, and all pictures looked at once", async () => {
  const data = await collectReport({ out, executor: "ort" });
  assert.equal(data.title, "se-resnet-8 on pictures");
  assert.equal(data.command, "senet train --data pictures");
  assert.deepEqual(data.remarks, []);
  assert.deepEqual(data.loss, { name: "binary cross-entropy, the mean over all classes", besides: [] });
  for (const { loss, label, top } of result.evaluation!.predictions) {
    const { probability } = top.find(({ index }) => index === label)!;
    assert.ok(Math.abs(loss + Math.log(probability)) > 1e-9, "validated by the cross-entropy of a softmax");
  }
  assert.deepEqual(
    data.epochs.map(({ epoch, learningRate, imagesPerSecond }) => [epoch, learningRate > 0, imagesPerSecond > 0]),
    [
      [1, true, true],
      [2, true, true],
    ],
  );
  assert.deepEqual([data.trainImages, data.validationImages, data.measuredImages], [12, 15, 15]);
  assert.deepEqual(Array.from(data.confusion), [...result.evaluation!.confusion], "as the training found");
  assert.equal(data.top1Error, result.evaluation!.top1Error);
  assert.ok(data.gates.length > 0 && data.gates.every(({ means }) => !Array.from(means).some(Number.isNaN)));
  const [held, worst, ...right] = data.samples;
  assert.deepEqual(held!.samples, []);
  assert.equal(worst!.title, "Worst mistakes: wrong, and surest of it");
  const wrong = 15 - [0, 1, 2].reduce((sum, i) => sum + data.confusion[4 * i]!, 0);
  assert.equal(worst!.samples.length, Math.min(12, wrong));
  for (const { label, top } of worst!.samples) assert.notEqual(top[0]!.index, label);
  assert.ok(wrong > 0);
  for (const { map } of worst!.samples) assert.equal(formatOf(Buffer.from(map!, "base64")), "JPEG");
  assert.ok(right.flatMap(({ samples }) => samples).every(({ map }) => map === undefined));
  for (const { label, top } of right.flatMap(({ samples }) => samples)) assert.equal(top[0]!.index, label);
});

test("pictures are shown as small ones that a browser reads, whatever the files are", async () => {
  const heldBackPictures = heldBack.map((file, label) => ({ file, label }));
  const { samples } = await collectReport({ out, executor: "ort", heldBack: heldBackPictures });
  assert.equal(samples[0]!.samples.length, 3);
  for (const { file, image } of samples.flatMap((group) => group.samples)) {
    assert.match(file, /\.ppm$/);
    const bytes = Buffer.from(image!, "base64");
    assert.equal(formatOf(bytes), "JPEG");
    assert.ok(bytes.length < 10_000);
  }
});

test("what a training knows is not measured again: the page costs a look at some pictures", async () => {
  const path = await reportAfter(result, { out, executor: "ort" });
  assert.equal(path, join(out, "report.html"));
  const page = readFileSync(path, "utf8");
  assert.match(page, /^<!doctype html>/);
  assert.match(page, /Worst mistakes/);
  // Made known to be another's: taken as it is.
  const confusion = new Uint32Array(9).fill(7);
  const evaluation = { ...result.evaluation!, confusion, images: 63 };
  const data = await collectReport({ out, executor: "ort", evaluation, mostPictures: 3 });
  assert.deepEqual(Array.from(data.confusion), [...confusion]);
  const told: number[][] = [];
  const onProgress = (...counts: number[]) => told.push(counts);
  const few = await collectReport({ out, executor: "ort", mostPictures: 3, onProgress });
  assert.deepEqual(told, [[3, 3]]);
  assert.equal(few.measuredImages, 3);
  assert.deepEqual([few.confusion[0]! + few.confusion[1]! + few.confusion[2]!], [1], "one of each class");
  assert.match(few.remarks.join(), /3 of the 15 pictures/);
  assert.equal(few.top1Error, result.evaluation!.top1Error, "of all pictures, as the run has it");
});

test("a run whose pictures have gone is reported without them, and with them where they are now", async () => {
  const elsewhere = join(folder, "elsewhere");
  renameSync(pictures, elsewhere);
  try {
    const gone = await collectReport({ out, executor: "ort" });
    assert.deepEqual([gone.trainImages, gone.measuredImages, gone.samples.length], [null, 0, 1]);
    assert.match(gone.remarks.join(), /were not found/);
    assert.equal(gone.epochs.length, 2);
    const found = await collectReport({ out, executor: "ort", data: elsewhere });
    assert.equal(found.measuredImages, 15);
    rmSync(join(elsewhere, "train", "red"), { recursive: true });
    rmSync(join(elsewhere, "val", "red"), { recursive: true });
    await assert.rejects(collectReport({ out, executor: "ort", data: elsewhere }), /not the classes that the run/);
  } finally {
    renameSync(elsewhere, pictures);
    writeDrawnPictures(pictures, { train: 4, val: 5, size: 70 });
  }
});

test("a run without run.json is reported too; one without an epoch, or no run, is not", async () => {
  renameSync(join(out, "run.json"), join(folder, "run.json"));
  try {
    const data = await collectReport({ out, executor: "ort", data: pictures });
    assert.equal(data.command, undefined);
    assert.equal(data.measuredImages, 15);
    writeFileSync(join(out, "run.json"), "[");
    assert.equal((await collectReport({ out, executor: "ort" })).measuredImages, 0);
  } finally {
    renameSync(join(folder, "run.json"), join(out, "run.json"));
  }
  const none = join(folder, "none");
  await assert.rejects(report({ out: none }), (error) => error instanceof SenetError && error.code === "usage");
  assert.equal(existsSync(none), false);

  const unfinished = join(folder, "unfinished");
  const config = trainingConfig({ model: "se-resnet-8", epochs: 2, batchSize: 6, imageSize: 16 });
  const stop = new AbortController();
  const running = { data: pictures, config, resume: false, executor: "ort", signal: stop.signal, ...silent };
  const stopped = await trainRun({ ...running, out: unfinished, onStep: () => stop.abort() });
  assert.equal(await reportAfter(stopped, { out: unfinished, executor: "ort" }), undefined);
  await assert.rejects(report({ out: unfinished }), /nothing to report yet/);
});

test("beside its metrics a run leaves TensorBoard's events", () => {
  const [events, ...others] = readdirSync(out).filter((name) => name.includes("tfevents"));
  assert.deepEqual(others, []);
  const text = readFileSync(join(out, events!), "latin1");
  assert.equal(text.split("loss/validation").length - 1, 2, "an event for each epoch");
});
