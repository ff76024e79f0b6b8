import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { senetHere, temporaryFolder } from "../../tests/command.ts";
import { writeDrawnPictures } from "../../tests/drawn.ts";
import { assertSamePredictions } from "../../tests/predictions.ts";
import { SenetError } from "../errors.ts";
import { batchNorm, conv2d, dropout, linear, relu } from "../nn/layers.ts";
import { scaleChannels } from "../nn/se.ts";
import { collectReport } from "../report/run.node.ts";
import { lossGraph, model, type NetworkFunction } from "../zoo/index.ts";
import { load } from "./network.node.ts";
import { type TrainedRun, train } from "./train.node.ts";

const small: NetworkFunction = (scope, image, classes) => {
  const at = scope.at("body").asBlock(1);
  let x = conv2d(at.at("conv"), image, { out: 16, kernel: 3, stride: 2 });
  x = relu(at.at("relu"), batchNorm(at.at("bn"), x));
  x = scaleChannels(at, x, { reduction: 4, bias: true });
  const pooled = scope.at("pool").apply("globalAvgPool", [x], {});
  const features = scope.at("flatten").tagged("features").apply("flatten", [pooled], {});
  return linear(scope.at("fc"), dropout(scope.at("dropout"), features, 0.25), classes);
};

const folder = temporaryFolder();
const data = join(folder, "pictures");
const options = { model: small, imageSize: 24, epochs: 2, batchSize: 6, workers: 1 } as const;
let pictures: readonly string[] = [];
let run: TrainedRun;
before(async () => {
  pictures = writeDrawnPictures(data);
  run = await train(data, { ...options, out: join(folder, "run") });
});

const usage = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof SenetError && error.code === "usage", `${error}`);
  assert.match(error.message, pattern);
  return true;
};

test("a network of one's own is trained, opened with its function, and can do what others can", async () => {
  assert.equal(run.config.model, "small");
  await using network = await load(run.best, { model: small });
  assert.equal(network.model.name, "small");
  const expected = await network.classify(pictures[0]!);
  assert.equal(expected.length, 3);
  assert.equal((await network.features(pictures[0]!)).length, 16);
  const gates = await network.gates(join(data, "val"));
  assert.deepEqual(
    gates.map(({ block, channels }) => [block, channels]),
    [["body", 16]],
  );
  assert.equal((await network.evaluate(join(data, "val"))).top1Error, run.top1Error);
  // An ONNX file holds the layers themselves: nobody needs the function any more.
  await network.exportOnnx(join(folder, "small.onnx"));
  await network.save(join(folder, "small.safetensors"));
  await using onnx = await load(join(folder, "small.onnx"));
  await using saved = await load(join(folder, "small.safetensors"), { model: small });
  for (const other of [onnx, saved]) {
    assertSamePredictions(await other.classify(pictures[0]!), expected, other.model.name);
  }
});

test("its run can be reported, with its function", async () => {
  const request = { title: "small", out: join(folder, "run"), data, command: "a program" };
  const report = await collectReport({ ...request, model: small });
  assert.equal(report.model, "small");
  assert.equal(report.top1Error, run.top1Error);
  assert.equal(report.gates.length, 1);
  await assert.rejects(collectReport(request), usage(/somebody's own/));
});

test("its dropout draws for training alone", () => {
  const own = model(small, 3);
  const graph = lossGraph(own, { batch: 2, imageSize: 24 });
  assert.deepEqual(
    graph.inputs.map(({ name }) => name),
    ["image", "dropout.keep", "targets"],
  );
});

test("a run of it goes on with its function alone", async () => {
  const out = join(folder, "longer");
  await train(data, { ...options, epochs: 1, out, report: false });
  await assert.rejects(async () => await train(data, { out, resume: true }), usage(/no file holds the function/));
  const longer = await train(data, { out, resume: true, model: small, epochs: 2, workers: 1 });
  assert.equal(longer.config.imageSize, 24);
  assert.equal(longer.history.length, 2);
});

test("a file without its function, and a function without its file, are refused in words", async () => {
  await assert.rejects(load(run.best), usage(/no file holds the function that builds it[\s\S]*hand it in/));
  await assert.rejects(
    load(join(folder, "small.onnx"), { model: small }),
    usage(/does not hold the weights of a network of your own/),
  );
  const { code, stderr } = await senetHere(["classify", pictures[0]!, "--weights", run.best]);
  assert.notEqual(code, 0);
  assert.match(stderr, /no file holds the function/);
  assert.doesNotMatch(stderr, /\n +at /);
});

test("another network's function does not fit the weights, and one that gives no logits is told", async () => {
  const wider: NetworkFunction = (scope, image, classes) =>
    small(scope, conv2d(scope.at("first"), image, { out: 3, kernel: 1 }), classes);
  await assert.rejects(load(run.best, { model: wider }), /missing +first\.weight/);
  const wrong: NetworkFunction = (scope, image) => relu(scope.at("relu"), image);
  await assert.rejects(
    async () => await train(data, { ...options, model: wrong, out: join(folder, "wrong") }),
    /not a number for each class\s+expected: float32\[\d, 3\]\s+found: +relu: float32\[\d, 3, 24, 24\]/,
  );
});

test("its name is its function's, fit for files and folders", () => {
  const named = (name: string) => model(Object.defineProperty(small.bind(undefined), "name", { value: name }), 2).name;
  assert.equal(named("bound ../x"), "bound-x");
  assert.equal(named(""), "own");
});
