/** What stands in `senet`, rather than in `senet/node`, runs where there is no Node. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Classifier } from "../src/evaluate/classify.node.ts";
import type { Classification } from "../src/evaluate/classify.ts";
import { type GateMeans, meanGates } from "../src/evaluate/excitation.ts";
import { Features } from "../src/evaluate/features.ts";
import { pictureBatches } from "../src/evaluate/picture-batches.ts";
import type { PictureData } from "../src/evaluate/picture-input.ts";
import { encodeOnnx } from "../src/executors/ort/export.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { inferencePasses, runPasses } from "../src/passes/index.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { isHalved } from "../src/weights/half.ts";
import { initialWeights } from "../src/weights/init.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import { runNode, temporaryFolder } from "./command.ts";
import { assertClose } from "./support.ts";
import { joined } from "./tar.ts";

/** Refuses Node's modules to whatever is ours. */
const hooks = `export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  const isNode = found.url.startsWith("node:") || /sharp|koffi|undici|onnxruntime/.test(found.url);
  if (isNode && /\\/src\\//.test(context.parentURL ?? "")) throw new Error(context.parentURL + " asks for " + specifier);
  return found;
}`;

const index = new URL("../src/index.js", import.meta.url).href;

/** Runs a module as a browser would: without Node's modules and globals. */
async function withoutNode(body: string): Promise<unknown> {
  const file = join(temporaryFolder(), "page.mjs");
  writeFileSync(
    file,
    `import { readFileSync, writeSync } from "node:fs";
     import { register } from "node:module";
     register("data:text/javascript," + encodeURIComponent(${JSON.stringify(hooks)}));
     for (const name of ["process", "Buffer", "setImmediate", "clearImmediate", "global"]) delete globalThis[name];
     const senet = await import(${JSON.stringify(index)});
     const say = (value) => writeSync(1, JSON.stringify(value));
     ${body}`,
  );
  const { code, stdout, stderr } = await runNode([file]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

test("weights are opened from bytes, and pixels are classified, without Node", async () => {
  const network = model("se-resnet-20", 4);
  const labels = ["ant", "bee", "cat", "dog"];
  const preprocessing = { ...imagenetPreprocessing, resize: 18, crop: 16 };
  const graph = inferenceGraph(network, { batch: 1, imageSize: 16 });
  const weights = initialWeights(graph, 5);
  const program = runPasses({ graph, weights }, inferencePasses);
  const checkpoint = { model: network, labels, preprocessing, weights };
  const folder = temporaryFolder();
  const files = {
    "own.safetensors": joined([...encodeCheckpoint(checkpoint)]),
    // As the network of the package is.
    "half.safetensors": joined([...encodeCheckpoint(checkpoint, isHalved)]),
    "net.onnx": encodeOnnx(program.graph, program.weights, {
      model: JSON.stringify(network),
      labels: JSON.stringify(labels),
      preprocessing: JSON.stringify(preprocessing),
    }),
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  const picture = { width: 24, height: 20, data: Uint8Array.from({ length: 3 * 24 * 20 }, (_, i) => (i * 37) % 256) };
  await using classifier = await Classifier.create(checkpoint, referenceExecutor);
  const { predictions } = await classifier.classify(picture, 4);
  const found = (await withoutNode(`
    const found = [];
    for (const name of ${JSON.stringify(Object.keys(files))}) {
      const bytes = new Uint8Array(readFileSync(${JSON.stringify(folder)} + "/" + name));
      const { checkpoint } = await senet.openFiles([{ bytes, where: name }]);
      const classifier = await senet.PictureClassifier.create(checkpoint, senet.referenceExecutor);
      const data = Uint8Array.from({ length: 3 * 24 * 20 }, (_, i) => (i * 37) % 256);
      found.push(await classifier.classify({ width: 24, height: 20, data }, 4));
      await classifier.dispose();
    }
    say(found);`)) as Classification[];
  for (const [i, name] of Object.keys(files).entries()) {
    const { file, predictions: its } = found[i]!;
    assert.equal(file, "picture");
    assert.deepEqual(
      its.map(({ label }) => label),
      predictions.map(({ label }) => label),
    );
    for (const [k, { probability }] of its.entries()) {
      const difference = Math.abs(probability - predictions[k]!.probability);
      assert.ok(difference < (name.startsWith("half") ? 1e-3 : 1e-5), `${name}: ${difference}`);
    }
  }
});

interface Answers {
  readonly classified: Classification;
  readonly features: readonly number[];
  readonly gates: readonly (Omit<GateMeans, "means"> & { readonly means: readonly number[] })[];
  readonly refusals: readonly string[];
}

test("encoded pictures are classified, embedded, and their gates averaged, by a decoder that is handed in", async () => {
  const network = model("se-resnet-8", 3);
  const preprocessing = { ...imagenetPreprocessing, resize: 18, crop: 16 };
  const weights = initialWeights(inferenceGraph(network, { batch: 1, imageSize: 16 }), 7);
  const checkpoint = { model: network, labels: ["ant", "bee", "cat"], preprocessing, weights };
  const file = join(temporaryFolder(), "own.safetensors");
  writeFileSync(file, joined([...encodeCheckpoint(checkpoint)]));
  const pixels = (seed: number) => Uint8Array.from({ length: 3 * 24 * 20 }, (_, i) => (i * seed) % 256);

  // A code of its own: the width, the height, and all bytes turned over.
  const found = (await withoutNode(`
    const decode = (bytes, name) => {
      if (bytes.length < 2) throw new Error("no bytes");
      return { width: bytes[0], height: bytes[1], data: bytes.slice(2).map((byte) => 255 - byte) };
    };
    const encoded = (seed) => Uint8Array.from({ length: 2 + 3 * 24 * 20 }, (_, i) =>
      i === 0 ? 24 : i === 1 ? 20 : 255 - (((i - 2) * seed) % 256));
    const bytes = new Uint8Array(readFileSync(${JSON.stringify(file)}));
    const { checkpoint } = await senet.openFiles([{ bytes, where: "own.safetensors" }]);
    const executor = senet.referenceExecutor;
    const classifier = await senet.PictureClassifier.create(checkpoint, executor, { decode });
    const features = await senet.Features.create(checkpoint, executor, { decode });
    const pictures = [
      { picture: encoded(37), label: 0 },
      { picture: { name: "later", bytes: async () => encoded(41) }, label: 2 },
      { picture: { width: 24, height: 20, data: encoded(43).slice(2).map((byte) => 255 - byte) }, label: 2 },
    ];
    const { model, weights, preprocessing } = checkpoint;
    const batches = senet.pictureBatches(pictures, { preprocessing, batchSize: 2, decode });
    const gates = await senet.meanGates({ executor, model, weights, batches, batchSize: 2, imageSize: 16 });
    const without = await senet.PictureClassifier.create(checkpoint, executor);
    const refusals = [];
    for (const [asked, picture] of [[without, encoded(37)], [classifier, { name: "empty.jpg", bytes: new Uint8Array() }]])
      await asked.classify(picture).catch((error) => refusals.push(error.code + " " + error.message));
    say({
      classified: await classifier.classify({ name: "ant.code", bytes: encoded(37) }),
      features: [...await features.of(encoded(37))],
      gates: gates.map((gate) => ({ ...gate, means: [...gate.means] })),
      refusals,
    });`)) as Answers;

  const drawn = (seed: number): PictureData => ({ width: 24, height: 20, data: pixels(seed) });
  await using classifier = await Classifier.create(checkpoint, referenceExecutor);
  await using features = await Features.create(checkpoint, referenceExecutor);
  assert.deepEqual(found.classified, { ...(await classifier.classify(drawn(37))), file: "ant.code" });
  assert.deepEqual(found.features, [...(await features.of(drawn(37)))]);
  const pictures = [37, 41, 43].map((seed) => ({ picture: drawn(seed), label: seed === 37 ? 0 : 2 }));
  const gates = await meanGates({
    ...{ executor: referenceExecutor, model: network, weights, batchSize: 3, imageSize: 16 },
    batches: pictureBatches(pictures, { preprocessing, batchSize: 3 }),
  });
  assert.deepEqual(
    found.gates.map(({ block }) => block),
    gates.map(({ block }) => block),
  );
  for (const [i, { means, channels }] of gates.entries()) {
    // JSON has no NaN: the row of the class that has no picture.
    const numbers = found.gates[i]!.means.map((mean) => mean ?? Number.NaN);
    assertClose(numbers.slice(0, channels), means.slice(0, channels), 1e-6, "gates of the first class");
    assertClose(numbers.slice(2 * channels), means.slice(2 * channels), 1e-6, "gates of the last class");
    assert.ok(numbers.slice(channels, 2 * channels).every(Number.isNaN));
  }
  const [undecided, empty] = found.refusals;
  assert.match(undecided!, /^usage .*nothing decodes pictures here[\s\S]*decode/);
  assert.match(empty!, /^data empty\.jpg: the picture cannot be decoded[\s\S]*no bytes/);
});
