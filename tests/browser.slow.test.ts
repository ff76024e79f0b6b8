/** The library in a real browser, with the browser's own decoder. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Classifier } from "../src/evaluate/classify.node.ts";
import type { Classification } from "../src/evaluate/classify.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { decodePicture } from "../src/images/decode.node.ts";
import { imagenetPreprocessing, preprocess } from "../src/images/preprocess.ts";
import { inferencePasses, runPasses } from "../src/passes/index.ts";
import { tensor } from "../src/tensor.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { initialWeights } from "../src/weights/init.ts";
import { inferenceGraph, inputName, model } from "../src/zoo/index.ts";
import { needsBrowser, openPage } from "./page.ts";
import { assertClose, golden } from "./support.ts";
import { joined } from "./tar.ts";

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

/** Run in the page. */
const inPage = `async ({ weights, pictures }) => {
  const senet = await import("senet");
  const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

  // As the file has them: no colour profile, no alpha that is multiplied in.
  const decode = async (bytes) => {
    const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
    const bitmap = await createImageBitmap(new Blob([bytes]), options);
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    const rgba = context.getImageData(0, 0, width, height).data;
    const data = new Uint8Array(3 * width * height);
    for (let i = 0; i < width * height; i++) data.set(rgba.subarray(4 * i, 4 * i + 3), 3 * i);
    return { width, height, data };
  };

  const { checkpoint } = await senet.openFiles([{ bytes: bytesOf(weights), where: "own.safetensors" }]);
  const { model, preprocessing } = checkpoint;
  const [bytes] = pictures.map(bytesOf);
  const classifier = await senet.PictureClassifier.create(checkpoint, senet.referenceExecutor, { decode });
  const classified = await classifier.classify({ name: "picture.png", bytes });
  await classifier.dispose();

  const decoded = await Promise.all(pictures.map((picture) => decode(bytesOf(picture))));
  const graph = senet.inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
  const program = senet.runPasses({ graph, weights: checkpoint.weights }, senet.inferencePasses);
  const network = await senet.referenceExecutor.compile(program.graph, program.weights);
  const shape = [1, 3, preprocessing.crop, preprocessing.crop];
  const image = senet.tensor(shape, senet.preprocess(decoded[0], preprocessing));
  const outputs = await network.run(new Map([[graph.inputs[0].name, image]]));
  const disposed = await classifier.classify(bytes).catch((error) => error.code);
  const pixels = await Promise.all(decoded.map(async ({ data }) =>
    btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-256", data))))));
  return { classified, disposed, logits: [...outputs.get("logits").data], pixels };
}`;

interface Answer {
  readonly classified: Classification;
  readonly disposed: string;
  readonly logits: readonly number[];
  /** SHA-256 of each picture's, base64. */
  readonly pixels: readonly string[];
}

test("in Chromium a PNG, decoded by the browser, has the pixels and the logits that it has in Node", {
  ...needsBrowser,
  timeout: 120_000,
}, async () => {
  const network = model("se-resnet-20", 4);
  const preprocessing = { ...imagenetPreprocessing, resize: 36, crop: 32 };
  const graph = inferenceGraph(network, { batch: 1, imageSize: 32 });
  const weights = initialWeights(graph, 11);
  const checkpoint = { model: network, labels: ["ant", "bee", "cat", "dog"], preprocessing, weights };
  // The first is classified; the others are shown otherwise where colours are managed.
  const files = ["rgb.png", "gamma.png", "profile.png", "palette.png", "interlaced.png"].map((name) =>
    golden("images", name),
  );
  const decoded = await Promise.all(files.map(decodePicture));
  await using classifier = await Classifier.create(checkpoint, referenceExecutor);
  const expected = await classifier.classify({ name: "picture.png", bytes: readFileSync(files[0]!) });
  const program = runPasses({ graph, weights }, inferencePasses);
  const executable = await referenceExecutor.compile(program.graph, program.weights);
  const image = tensor([1, 3, 32, 32], preprocess(decoded[0]!, preprocessing));
  const logits = (await executable.run(new Map([[inputName, image]]))).get("logits")!;

  const { page, faults } = await openPage();
  const given = {
    weights: base64(joined([...encodeCheckpoint(checkpoint)])),
    pictures: files.map((file) => base64(readFileSync(file))),
  };
  const found = (await page.evaluate(`(${inPage})(${JSON.stringify(given)})`)) as Answer;
  const digest = (data: Uint8Array) => createHash("sha256").update(data).digest("base64");
  assert.deepEqual(
    found.pixels,
    decoded.map(({ data }) => digest(data)),
  );
  // But for the last digits of exp, in which versions of the JavaScript engine differ.
  assertClose(found.logits, logits.data, 1e-6, "logits");
  const namesOf = ({ predictions }: Classification) => predictions.map(({ label }) => label);
  const probabilitiesOf = ({ predictions }: Classification) => predictions.map(({ probability }) => probability);
  assert.equal(found.classified.file, "picture.png");
  assert.deepEqual(namesOf(found.classified), namesOf(expected));
  assertClose(probabilitiesOf(found.classified), probabilitiesOf(expected), 1e-6, "probabilities");
  assert.equal(found.disposed, "executor");
  assert.deepEqual(faults, []);
});
