import assert from "node:assert/strict";
import { test } from "node:test";
import { explainSuite, formulaCheckpoint } from "../../tests/explain.ts";
import { SenetError } from "../errors.ts";
import type { Executable, Executor } from "../executors/executor.ts";
import { ortExecutor } from "../executors/ort/executor.node.ts";
import { inferenceGraph, model } from "../zoo/index.ts";
import { classIndex, Explainer, type ExplainerOptions } from "./explainer.ts";
import { activityAfter } from "./grad-cam.ts";
import { enlarged, overlaid, shares } from "./heat.ts";

explainSuite(ortExecutor, "quick");

/** Half dark, half of many colours. */
const picture = {
  width: 40,
  height: 40,
  data: Uint8Array.from({ length: 3 * 40 * 40 }, (_, i) => (i % 120 < 60 ? 10 : (i * 37) % 256)),
};

test("the answer is explained where no class is named, and any class where one is", async () => {
  await using explainer = await Explainer.create(formulaCheckpoint("se-resnet-20", 4, 32), ortExecutor);
  const answer = await explainer.explain(picture);
  assert.deepEqual(answer.target, answer.predictions[0]);
  assert.equal(answer.predictions.length, 4);
  assert.deepEqual([answer.heat.width, answer.heat.height, answer.input.width], [8, 8, 32]);
  assert.deepEqual(answer.region, { left: 0, top: 0, width: 40, height: 40 });
  const other = (answer.target.index + 1) % 4;
  const [byName, byIndex] = await Promise.all([
    explainer.explain(picture, { target: `class ${other}`, top: 1 }),
    explainer.explain(picture, { target: other, top: 1 }),
  ]);
  assert.equal(byName.target.index, other);
  assert.deepEqual(byName.heat, byIndex.heat);
  assert.notDeepEqual(byName.heat, answer.heat);
  assert.deepEqual(byName.predictions, answer.predictions.slice(0, 1));
});

test("the shares of integrated gradients add up to the difference of the logits", async () => {
  const checkpoint = formulaCheckpoint("se-resnet-20", 4, 16);
  const { integratedGradients } = await import("./integrated-gradients.ts");
  const method = await integratedGradients(checkpoint, ortExecutor, { steps: 64 });
  const { formulaPictures } = await import("../../tests/formula.ts");
  const image = formulaPictures(1, 16, 1);
  const nothing = { ...image, data: new Float32Array(image.data.length) };
  const [of, from] = [(await method.logits(image)).data[2]!, (await method.logits(nothing)).data[2]!];
  const { values } = await method.heat(image, 2);
  const sum = values.reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(sum - (of - from)) < 0.02 * Math.abs(of - from), `${sum} of ${of - from}`);
  await method.dispose();
});

test("what is given up ends after the part that is under way", async () => {
  const checkpoint = formulaCheckpoint("se-resnet-20", 4, 16);
  for (const how of [
    { method: "occlusion", patch: 1, stride: 1 } as const,
    { method: "integrated-gradients" } as const,
  ]) {
    const stopping = new AbortController();
    let runs = 0;
    const counting: Executor = {
      ...ortExecutor,
      compile: async (...given) => {
        const network = await ortExecutor.compile(...given);
        const run: typeof network.run = (inputs) => {
          // The first one gives the logits.
          if (++runs === 3) stopping.abort(new RangeError("enough"));
          return network.run(inputs);
        };
        return Object.assign(Object.create(network) as Executable, { run, dispose: () => network.dispose() });
      },
    };
    await using explainer = await Explainer.create(checkpoint, counting, how);
    await assert.rejects(explainer.explain(picture, { signal: stopping.signal }), /enough/);
    assert.equal(runs, 3, how.method);
  }
});

test("a class is named by its label, its index, its WordNet id or one of its synonyms", () => {
  const labels = [
    "n02102040 English springer",
    "n02123045 tabby, tabby cat",
    "n02124075 Egyptian cat",
    "crane",
    "crane",
  ];
  for (const [target, index] of [
    ...[
      ["n02102040 English springer", 0],
      [1, 1],
      ["2", 2],
      ["n02123045", 1],
      ["english springer", 0],
    ],
    ...[
      ["Tabby", 1],
      ["tabby cat", 1],
      [" tabby, tabby cat", 1],
      ["crane", 3],
    ],
  ] as const)
    assert.equal(classIndex(target, labels), index, `${target}`);
  for (const [target, nearest] of [
    ["springer", /the nearest: n02102040 English springer,/],
    ["cat", /the nearest: n02123045 tabby, tabby cat, n02124075 Egyptian cat,/],
    ["CRANE", /crane/],
    ["", /nearest/],
    ["5", /index below 5/],
  ] as const)
    assert.throws(() => classIndex(target, labels), nearest);
});

test("what cannot be explained is refused with what could be", async () => {
  const checkpoint = formulaCheckpoint("se-resnet-20", 4, 32);
  const isRefused = (work: Promise<unknown>, found: RegExp) =>
    assert.rejects(work, (error) => error instanceof SenetError && error.code === "usage" && found.test(error.message));
  await isRefused(Explainer.create(checkpoint, ortExecutor, { stage: 4 }), /one of 1, 2, 3[\s\S]*found: +4/);
  await isRefused(Explainer.create(checkpoint, ortExecutor, { method: "occlusion", patch: 33 }), /1 to 32[\s\S]*33/);
  await isRefused(Explainer.create(checkpoint, ortExecutor, { method: "occlusion", stride: 0 }), /stride/);
  await isRefused(Explainer.create(checkpoint, ortExecutor, { method: "integrated-gradients", steps: 0 }), /steps/);
  const unknown = { method: "gradcam" } as unknown as ExplainerOptions;
  await isRefused(Explainer.create(checkpoint, ortExecutor, unknown), /grad-cam, integrated-gradients, occlusion/);
  await using explainer = await Explainer.create(checkpoint, ortExecutor);
  await isRefused(explainer.explain(picture, { target: "clas 3" }), /class 3/);
  await isRefused(explainer.explain(picture, { target: 4 }), /index below 4[\s\S]*4/);
  await isRefused(explainer.explain(picture, { top: 0 }), /top/);
});

test("the last stage goes on to the pooling, and the earlier ones end before the next begins", () => {
  const graph = inferenceGraph(model("se-resnet-20"), { batch: 1, imageSize: 32 });
  assert.deepEqual(
    [1, 2, 3, undefined].map((stage) => activityAfter(graph, stage).type.shape),
    [
      [1, 16, 32, 32],
      [1, 32, 16, 16],
      [1, 64, 8, 8],
      [1, 64, 8, 8],
    ],
  );
  assert.equal(activityAfter(graph, 2).name, "layer2.2.relu");
});

test("a map is shown by its highest part, from dark to bright, and nothing at all as nothing", () => {
  const heat = { width: 2, height: 1, values: Float32Array.of(-1, 2) };
  assert.deepEqual([...shares(heat)], [0, 1]);
  assert.deepEqual([...enlarged(heat, 4, 1).values], [-1, -0.25, 1.25, 2]);
  assert.deepEqual([...shares({ ...heat, values: Float32Array.of(-1, -2) })], [0, 0]);
  const grey = { width: 4, height: 1, data: new Uint8Array(12).fill(100) };
  const { data } = overlaid(grey, heat);
  const brightness = [0, 1, 2, 3].map((i) => data[3 * i]! + data[3 * i + 1]! + data[3 * i + 2]!);
  assert.deepEqual(
    brightness,
    brightness.toSorted((a, b) => a - b),
  );
  assert.equal(brightness[0], brightness[1]);
});
