/** What stands in `senet`, rather than in `senet/node`, runs where there is no Node. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Classifier } from "../src/evaluate/classify.node.ts";
import { encodeOnnx } from "../src/executors/ort/export.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { inferencePasses, runPasses } from "../src/passes/index.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint.ts";
import { initialWeights } from "../src/weights/init.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import { runNode, temporaryFolder } from "./command.ts";
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
  for (const name of Object.keys(files)) {
    const found = (await withoutNode(`
      const bytes = new Uint8Array(readFileSync(${JSON.stringify(join(folder, name))}));
      const { checkpoint } = await senet.openFiles([{ bytes, where: ${JSON.stringify(name)} }]);
      const classifier = await senet.PictureClassifier.create(checkpoint, senet.referenceExecutor);
      const data = Uint8Array.from({ length: 3 * 24 * 20 }, (_, i) => (i * 37) % 256);
      say(await classifier.classify({ width: 24, height: 20, data }, 4, "drawn"));
      await classifier.dispose();`)) as { file: string; predictions: typeof predictions };
    assert.equal(found.file, "drawn");
    assert.deepEqual(
      found.predictions.map(({ label }) => label),
      predictions.map(({ label }) => label),
    );
    for (const [i, { probability }] of found.predictions.entries()) {
      assert.ok(Math.abs(probability - predictions[i]!.probability) < 1e-5, name);
    }
  }
});
