/** What the tests of `senet/web` have in common: a small network, a picture, and code that runs in the page with both. */

import { PictureClassifier, type Prediction } from "../src/evaluate/classify.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { initialWeights } from "../src/weights/init.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import type { Evaluating } from "./page.ts";
import { joined } from "./tar.ts";

export const labels = ["ant", "bee", "cat"];
export const graph = inferenceGraph(model("se-resnet-8", 3), { batch: 1, imageSize: 24 });
export const checkpoint = {
  model: model("se-resnet-8", 3),
  labels,
  preprocessing: { ...imagenetPreprocessing, resize: 28, crop: 24 },
  weights: initialWeights(graph, 4),
};
/** The network's file. */
export const own = joined([...encodeCheckpoint(checkpoint)]);
export const pixels = {
  width: 40,
  height: 30,
  data: Uint8Array.from({ length: 3600 }, (_, i) => (i * 37 + (i >> 4)) % 256),
};

/** Where the page has ONNX Runtime. */
export const ort = "/web/node_modules/onnxruntime-web/dist";

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** Runs in the page, which has the module, a file of weights, and a picture. */
export const inPage = <T>(page: Evaluating, body: string): Promise<T> =>
  page.evaluate(`(async () => {
    const senet = await import("senet/web");
    const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const weights = new File([bytesOf("${base64(own)}")], "own.safetensors");
    const picture = { width: 40, height: 30, data: bytesOf("${base64(pixels.data)}") };
    const runtime = { module: "${ort}/ort.wasm.min.mjs" };
    const failureOf = async (promise) => { try { await promise; return undefined; } catch (error) {
      return { ours: error instanceof senet.SenetError, name: error.name, code: error.code, message: error.message };
    } };
    ${body}
  })()`) as Promise<T>;

/** What `failureOf` gives. */
export interface Failing {
  readonly ours: boolean;
  readonly name: string;
  readonly code?: string;
  readonly message: string;
}

/** What the network answers in Node. */
export async function expected(): Promise<readonly Prediction[]> {
  await using classifier = await PictureClassifier.create(checkpoint, referenceExecutor);
  return (await classifier.classify(pixels)).predictions;
}

export const probabilities = (predictions: readonly Prediction[]): number[] =>
  predictions.map(({ probability }) => probability);
