import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { writeDrawnPictures } from "../../tests/drawn.ts";
import { assertSamePredictions } from "../../tests/predictions.ts";
import { assertClose } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { decodePicture } from "../images/decode.node.ts";
import { load } from "./network.node.ts";
import { type TrainedRun, train } from "./train.node.ts";
import type { TrainingEvent } from "./training.ts";

const folder = temporaryFolder();
const data = join(folder, "pictures");
const quick = { model: "se-resnet-8", epochs: 2, batchSize: 6, workers: 1, report: false } as const;
let pictures: readonly string[] = [];
let run: TrainedRun;
let trained: { readonly steps: number; readonly epochs: number };

before(async () => {
  pictures = writeDrawnPictures(data);
  let [steps, epochs] = [0, 0];
  run = await train(data, { ...quick, out: join(folder, "run"), onStep: () => steps++, onEpoch: () => epochs++ });
  trained = { steps, epochs };
});

const isUsage = (error: unknown) => error instanceof SenetError && error.code === "usage";

test("a run tells where its files are, and its callbacks are called", () => {
  assert.equal(run.finished, true);
  assert.equal(run.best, join(folder, "run", "best.safetensors"));
  assert.ok(existsSync(run.best) && existsSync(run.last));
  assert.equal(run.history.length, 2);
  assert.equal(run.top1Error, Math.min(...run.history.map(({ validationTop1Error }) => validationTop1Error)));
  assert.equal(run.config.imageSize, 32, "the model's own");
  assert.equal(trained.epochs, 2);
  assert.ok(trained.steps > 2 && trained.steps % 2 === 0);
});

test("a network classifies files, bytes and pixels alike, one or many", async () => {
  await using network = await load(run.best);
  const file = pictures[0]!;
  const top = await network.classify(file, { top: 3 });
  assert.equal(top.length, 3);
  assert.ok(network.labels.includes(top[0]!.label));
  assert.ok(top[0]!.probability >= top[1]!.probability);
  const bytes = readFileSync(file);
  const all = await network.classify([file, bytes, { name: "x", bytes }, await decodePicture(file), pictures[1]!], {
    top: 3,
  });
  assert.equal(all.length, 5);
  for (const one of all.slice(0, 4)) assert.deepEqual(one, top);
  assert.notDeepEqual(all[4], top);
  assert.deepEqual(await network.classify(new Uint8Array(bytes), { top: 3 }), top);
  assert.equal((await network.classify(file)).length, Math.min(5, network.labels.length));
  assert.deepEqual(await network.classify([]), []);
});

test("what is no picture, or no count, is said to be", async () => {
  await using network = await load(run.best);
  await assert.rejects(network.classify("no-such-file.jpg"), /no-such-file\.jpg/);
  await assert.rejects(network.classify(new Uint8Array(100)), /picture/);
  const rgba = { width: 2, height: 2, data: new Uint8Array(16) };
  await assert.rejects(network.classify(rgba), /three bytes a pixel[\s\S]*16 bytes for 2 by 2/);
  for (const top of [0, -1, 1.5, Number.NaN]) await assert.rejects(network.classify(pictures[0]!, { top }), isUsage);
});

test("what callers without TypeScript hand over in the place of texts and pictures is refused by its kind", async () => {
  await using network = await load(run.best);
  const wrong = (value: unknown): never => value as never;
  for (const [work, words] of [
    [() => load(wrong(undefined)), /`weights` is not a text[\s\S]*found: +undefined/],
    [() => load(wrong(42)), /`weights`[\s\S]*a number/],
    [() => load(wrong({})), /`weights`[\s\S]*Object/],
    [() => load([]), /`weights`[\s\S]*one file at least/],
    [async () => await train(wrong(undefined)), /`data` is not a text/],
    [async () => await train(wrong(["pictures"]), {}), /`data`[\s\S]*Array/],
    [() => network.evaluate(wrong(undefined)), /`data`/],
    [() => network.gates(wrong(5)), /`data`/],
    [() => network.classify(wrong(undefined)), /no picture[\s\S]*undefined/],
    [() => network.classify(wrong([null])), /no picture[\s\S]*null/],
    [() => network.classify(wrong(new ArrayBuffer(3))), /no picture[\s\S]*ArrayBuffer[\s\S]*new Uint8Array/],
    [() => network.features(wrong(new URL("file:///cat.jpg"))), /no picture[\s\S]*URL[\s\S]*fileURLToPath/],
    [() => network.classify(wrong({})), /no picture/],
  ] as const)
    await assert.rejects(work(), (error: Error) => isUsage(error) && words.test(error.message), `${words}`);
});

test("a network is measured, and tells its gates and what its classifier sees", async () => {
  await using network = await load(run.best);
  const measured = await network.evaluate(join(data, "val"));
  assert.equal(measured.top1Error, run.top1Error);
  const gates = await network.gates(join(data, "val"));
  assert.deepEqual(
    gates.map(({ block }) => block),
    ["layer1.0", "layer2.0", "layer3.0"],
  );
  assert.ok(gates.every(({ means }) => means.every((mean) => mean > 0 && mean < 1)));
  const [one, other] = await network.features([pictures[0]!, pictures[1]!]);
  assert.equal(one!.length, 64);
  assert.deepEqual(await network.features(pictures[0]!), one);
  assert.notDeepEqual(one, other);
  // The classifier over them gives what the network gives.
  const { weights } = network;
  const [matrix, bias] = [weights.get("fc.weight")!.data, weights.get("fc.bias")!.data];
  const logits = Array.from(bias, (b, k) => one!.reduce((sum, x, i) => sum + x * matrix[64 * k + i]!, b));
  const exponentials = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
  const sum = exponentials.reduce((a, b) => a + b);
  const found = await network.classify(pictures[0]!, { top: bias.length });
  assertClose(
    found.map(({ index }) => exponentials[index]! / sum),
    found.map(({ probability }) => probability),
    1e-5,
    "probabilities",
  );
});

test("what is written is read again: ONNX, safetensors", async () => {
  await using network = await load(run.best);
  const expected = await network.classify(pictures[0]!);
  for (const name of ["model.onnx", "model.safetensors"]) {
    const path = join(folder, name);
    if (name.endsWith(".onnx")) {
      const { difference, bytes } = await network.exportOnnx(path);
      assert.ok(difference !== undefined && difference < 1e-4);
      assert.equal(bytes, readFileSync(path).length);
    } else await network.save(path);
    await using again = await load(path);
    assert.deepEqual(again.labels, network.labels);
    assert.deepEqual(again.preprocessing, network.preprocessing);
    assertSamePredictions(await again.classify(pictures[0]!), expected, name);
  }
});

test("options of load stand in the place of what weights say", async () => {
  await using plain = await load(run.best);
  await using other = await load(run.best, {
    labels: ["a", "b", "c"],
    preprocessing: { mean: [0.5, 0.5, 0.5], crop: 24, resize: 24 },
    executor: "reference",
  });
  assert.equal(other.labels[0], "a");
  assert.deepEqual(other.preprocessing, { ...plain.preprocessing, mean: [0.5, 0.5, 0.5], crop: 24, resize: 24 });
  assert.equal(other.executor.name, "reference");
  assert.equal((await other.classify(pictures[0]!, { top: 1 }))[0]!.label.length, 1);
  await assert.rejects(load(run.best, { preprocessing: { std: [0, 1, 1] } }), isUsage);
  await assert.rejects(load("se-resnet-5O"), /no released weights of that name/);
});

test("a network that was disposed of refuses, once what was under way has ended", async () => {
  const network = await load(run.best);
  const underWay = network.classify(pictures[0]!);
  await network[Symbol.asyncDispose]();
  assert.ok((await underWay).length > 0);
  for (const late of [() => network.classify(pictures[0]!), () => network.features(pictures[0]!)]) {
    await assert.rejects(late, /was disposed of/);
  }
  await network.dispose();
});

test("events tell of a run in their order, and the last says where it is", async () => {
  const events: TrainingEvent[] = [];
  const out = join(folder, "followed");
  for await (const event of train(data, { ...quick, epochs: 1, out })) events.push(event);
  const kinds = [...new Set(events.map(({ kind }) => kind))].filter((kind) => kind !== "note");
  assert.deepEqual(kinds, ["start", "step", "validation", "epoch"]);
  const start = events.find((event) => event.kind === "start")!;
  assert.equal(events.filter(({ kind }) => kind === "step").length, start.stepsPerEpoch);
  assert.ok(existsSync(join(out, "best.safetensors")));
});

test("leaving the loop of events stops the run, which saves, and can go on", async () => {
  const out = join(folder, "left");
  for await (const event of train(data, { ...quick, out })) if (event.kind === "step") break;
  assert.ok(existsSync(join(out, "last.safetensors")));
  assert.ok(!existsSync(join(out, "run.lock")), "the run has ended when the loop has");
  const resumed = await train(data, { out, resume: true, workers: 1, report: true });
  assert.equal(resumed.finished, true);
  assert.deepEqual(
    resumed.history.map(({ trainLoss }) => trainLoss),
    run.history.map(({ trainLoss }) => trainLoss),
    "along the same curve",
  );
  assert.match(readFileSync(join(out, "report.html"), "utf8"), /se-resnet-8 on pictures/);
  assert.ok(!existsSync(join(folder, "run", "report.html")), "where none is wanted");
});

test("a recipe by name, which other options override; its rate scales with the batch, and a resumed run has it", async () => {
  const out = join(folder, "recipe");
  const options = { ...quick, recipe: "paper-2017", epochs: 1, imageSize: 16, out };
  const { config } = await train(data, options);
  assert.deepEqual([config.recipe, config.weightDecay], ["paper-2017@1", 1e-4]);
  assert.deepEqual([config.model, config.epochs, config.learningRate], ["se-resnet-8", 1, (0.6 * 6) / 1024]);
  const longer = await train(data, { ...options, epochs: 2, resume: true });
  assert.deepEqual([longer.history.length, longer.config.learningRate], [2, config.learningRate]);
  const other = train(data, { ...options, recipe: "senet-2018", epochs: 2, resume: true });
  await assert.rejects(async () => await other, /expected: recipe paper-2017@1/);
  await assert.rejects(async () => await train(data, { recipe: "paper" }), /there is no recipe "paper"/);
});

test("a signal stops a run as Ctrl-C does, which is no error", async () => {
  const stop = new AbortController();
  const out = join(folder, "stopped");
  const stopped = await train(data, { ...quick, out, signal: stop.signal, onStep: () => stop.abort() });
  assert.equal(stopped.finished, false);
  assert.equal(stopped.top1Error, null);
  assert.equal(stopped.best, join(out, "last.safetensors"), "nothing was validated: the last are the best there are");
  await using network = await load(stopped.best);
  assert.ok((await network.classify(pictures[0]!)).length > 0);
});

test("a fault ends the loop of events and the awaited run alike, and leaves nothing behind", async () => {
  const before = process.cwd();
  process.chdir(folder);
  try {
    const work = async () => {
      for await (const event of train("no-such-folder", quick)) assert.fail(event.kind);
    };
    await assert.rejects(work, (error) => error instanceof SenetError && error.code === "data");
    await assert.rejects(async () => await train("no-such-folder", quick), SenetError);
    await assert.rejects(
      async () => await train(data, { ...quick, epoch: 3 } as object),
      /"epoch" is unknown \(nearest: epochs/,
    );
    await assert.rejects(async () => await train(data, { model: "se-resnet-8x" }), /no model "se-resnet-8x"/);
    await assert.rejects(async () => await train(data, { resume: true }), isUsage);
    assert.deepEqual(readdirSync("runs"), []);
  } finally {
    process.chdir(before);
  }
});
