import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { imagenetPreprocessing } from "../images/preprocess.ts";
import { createRandom } from "../random.ts";
import { zeros } from "../tensor.ts";
import { encodeCheckpoint } from "../weights/checkpoint-write.ts";
import { decodeCheckpoint } from "../weights/decode-checkpoint.ts";
import { initialWeights } from "../weights/init.ts";
import { inferenceGraph, type Model } from "../zoo/index.ts";
import type { LayerConfig } from "../zoo/layer.ts";
import { trainingConfig } from "./config.ts";
import { beginWithPatches, type SourceNetwork, startOf } from "./start.ts";

const labels = ["a", "b"];
const begin = (given: object, source?: SourceNetwork) =>
  startOf({ config: trainingConfig({ model: "se-resnet-20", ...given }), labels, source });

/** How often each activation stands in the network. */
function activationsOf(model: Model): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { op } of inferenceGraph(model, { batch: 1, imageSize: 32 }).nodes) {
    if (op === "relu" || op === "silu" || op === "mish") counts[op] = (counts[op] ?? 0) + 1;
  }
  return counts;
}

test("an activation that is asked for stands everywhere but within squeeze and excitation, as timm's act_layer does", () => {
  assert.deepEqual(activationsOf(begin({}).model), { relu: 1 + 9 * 3 });
  assert.deepEqual(activationsOf(begin({ act: "mish" }).model), { mish: 1 + 9 * 2, relu: 9 });
  assert.deepEqual(activationsOf(begin({ model: "se-resnet-10-d", imageSize: 64, act: "silu" }).model), {
    silu: 3 + 4 * 2,
    relu: 4,
  });
  // What a network has anyway leaves its configuration as it is in files of before.
  assert.deepEqual(begin({ act: "relu" }).model, begin({}).model);
});

test("a file keeps it, and who trains further has it unless another is asked for", () => {
  const { model, weights, preprocessing } = begin({ act: "mish" });
  const bytes = Buffer.concat(encodeCheckpoint({ model, labels, preprocessing, weights }));
  const source = { ...decodeCheckpoint(bytes, "file"), from: "file" };
  assert.deepEqual(source.model, model);
  assert.deepEqual(begin({}, source).model.config, model.config);
  assert.deepEqual(activationsOf(begin({ act: "silu" }, source).model), { silu: 19, relu: 9 });
  assert.deepEqual(activationsOf(begin({ act: "relu" }, source).model), { relu: 28 });
  assert.deepEqual(begin({}, source).weights.get("conv1.weight"), weights.get("conv1.weight"));
});

test("networks that have no choice of activations refuse one", () => {
  const build = (given: object, source?: SourceNetwork) => () => begin(given, source);
  const isRefused = (error: unknown) => error instanceof SenetError && /another activation/.test(error.message);
  assert.throws(build({ model: "se-bn-inception", act: "mish" }), isRefused);
  assert.deepEqual(begin({}).preprocessing, imagenetPreprocessing);
});

const isUsage = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof SenetError && error.code === "usage", `${error}`);
  assert.match(error.message, pattern);
  return true;
};

test("weights of which hardly any fit are refused, with their share; another head alone is none of their faults", () => {
  const { model, weights, preprocessing } = begin({ model: "se-resnet-8" });
  const source = { model, weights, preprocessing, labels, from: "small.safetensors" };
  assert.throws(
    () => begin({ model: "se-resnet-20" }, source),
    isUsage(
      /^small\.safetensors: few of .*\n.*a third of se-resnet-20[\s\S]*[12]\d\.\d % of it[\s\S]*`model` se-resnet-8/,
    ),
  );
  const others = startOf({ config: trainingConfig({ model: "se-resnet-8" }), labels: ["x", "y", "z"], source });
  assert.deepEqual(others.weights.get("conv1.weight"), weights.get("conv1.weight"));
  // What has no squeeze and excitation yet has most of it.
  const plain = begin({ model: "resnet-20" });
  assert.equal(begin({ model: "se-resnet-20" }, { ...source, ...plain, labels }).notes.length, 3);
});

test("a network that computes otherwise than the one of the weights says where, and which one does not", () => {
  const source = (model: string) => ({ ...begin({ model, imageSize: 64 }), labels, from: "file.pth" });
  const notes = (from: string, model: string) => begin({ model, imageSize: 64 }, source(from)).notes.slice(3);
  const padded = { ...source("resnet-18") };
  const config = { ...padded.model.config, pool: "padded" } as Model["config"];
  const torchvision = { ...padded, model: { ...padded.model, name: "resnet-18-paddedpool", config } };
  assert.deepEqual(begin({ model: "se-resnet-18", imageSize: 64 }, torchvision).notes.slice(3), [
    "se-resnet-18 computes otherwise than the network of file.pth: maxpool pad 0, ceil true (there pad 1, ceil false); " +
      "`model` moskomule-se-resnet-18 computes as there",
  ]);
  assert.deepEqual(notes("resnet-18", "se-resnet-18"), []);
});

test("a network from a file whose batch norms were folded is said to be trained without them", () => {
  const conv = (name: string, input: string): LayerConfig => ({
    ...{ kind: "conv", name, inputs: [input], kernel: 3, stride: 1, pad: 1, out: 4, groups: 1, bias: true },
  });
  const layers: LayerConfig[] = [
    conv("one", "image"),
    conv("two", "one"),
    { kind: "batchNorm", name: "norm", inputs: ["two"], eps: 1e-5 },
    { kind: "globalAvgPool", name: "pool", inputs: ["norm"] },
    { kind: "flatten", name: "flat", inputs: ["pool"] },
    { kind: "linear", name: "fc", inputs: ["flat"], out: 2, bias: true },
  ];
  const folded: Model = { name: "network", config: { family: "layers", imageSize: 8, layers }, classes: 2 };
  const weights = initialWeights(inferenceGraph(folded, { batch: 1, imageSize: 8 }), 0);
  const source = { model: folded, weights, preprocessing: imagenetPreprocessing, labels, from: "exported.onnx" };
  assert.deepEqual(begin({ model: "network", imageSize: 8 }, source).notes.slice(1), [
    "1 of the 2 convolutions have no batch norm, as in files whose batch norms were folded into them (exported ones): " +
      "they are trained without it",
  ]);
});

test("nothing is frozen that has not learnt", () => {
  assert.throws(
    () => begin({ freeze: "stage1" }),
    isUsage(/^`freeze`: .*these weights are not trained[\s\S]*`weights`/),
  );
  const source = { ...begin({}), labels, from: "file" };
  assert.ok(begin({ freeze: "stage1" }, source).weights.size > 0);
});

test("a convolution that was made to take other channels is told apart from what is the source's own", () => {
  const source = { ...begin({}), labels, from: "colour.pth" };
  const { notes } = begin({ inChans: 1 }, source);
  const count = begin({}).weights.size;
  assert.match(notes[0]!, new RegExp(`^${count - 1} of ${count} tensors are those of colour\\.pth: `));
  assert.equal(notes[1], "of colour.pth, made to take other channels: conv1.weight");
});

async function* pictures() {
  for (let batch = 0; ; batch++) {
    const images = zeros("float32", [64, 3, 32, 32]);
    const random = createRandom(7, batch);
    images.data.forEach((_, i) => {
      images.data[i] = random.normal();
    });
    yield { images };
  }
}

test("patch initialisation sets the first convolution of fresh weights and nothing else, from so many pictures as it needs", async () => {
  const config = trainingConfig({ model: "se-resnet-20", patchInit: true });
  const [plain, first, again] = await Promise.all(
    [false, true, true].map(async (patchInit) => {
      const start = startOf({ config, labels });
      await beginWithPatches(start, { config: { ...config, patchInit }, batches: pictures });
      return start.weights;
    }),
  );
  const changed = [...plain!].filter(([name, { data }]) => data.some((v, i) => v !== first!.get(name)!.data[i]));
  assert.deepEqual(
    changed.map(([name]) => name),
    ["conv1.weight"],
  );
  assert.deepEqual(again, first);
});

test("weights that have learnt before keep their first convolution", async () => {
  const config = trainingConfig({ model: "se-resnet-20", patchInit: true, weights: "some.safetensors" });
  const start = startOf({ config, labels });
  const before = structuredClone(start.weights);
  await beginWithPatches(start, { config, batches: pictures });
  assert.deepEqual(start.weights, before);
});
