/**
 * The network that comes with the package, from a copy of the package: what `imagenette` names where weights are named. A
 * stand-in of random weights does here; the file itself is looked at in package.slow.test.ts.
 */

import assert from "node:assert/strict";
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { writeDemoPictures } from "../src/demo/write.node.ts";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { decodeCheckpoint } from "../src/weights/decode-checkpoint.ts";
import { isHalved } from "../src/weights/half.ts";
import { initialWeights } from "../src/weights/init.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import { runNode, temporaryFolder } from "./command.ts";
import { root } from "./support.ts";

const folder = temporaryFolder();
const at = (...path: string[]) => join(folder, ...path);
const program = at("package", "bin", "senet.js");
const file = at("package", "weights", "imagenette.safetensors");
const labels = ["tench", "springer", "radio", "saw", "church", "horn", "truck", "pump", "ball", "parachute"];
const senet = (...args: string[]) => runNode([program, ...args], { cwd: folder });
/** One picture of the data set. */
let picture = "";

before(async () => {
  mkdirSync(at("package", "dist"), { recursive: true });
  for (const part of [join("dist", "src"), "bin", "package.json"]) {
    cpSync(join(root, part), at("package", part), { recursive: true, filter: (path) => !/\.test\./.test(path) });
  }
  symlinkSync(join(root, "node_modules"), at("package", "node_modules"), "junction");
  mkdirSync(at("package", "weights"));
  const network = model("se-resnet-20", 10);
  const weights = initialWeights(inferenceGraph(network, { batch: 1, imageSize: 32 }), 3);
  const preprocessing = { ...imagenetPreprocessing, resize: 36, crop: 32 };
  const training = { recipe: "imagenette-20@1", seed: 3, epoch: 20, epochs: 20, top1Error: 7.5 };
  writeFileSync(
    file,
    Buffer.concat(encodeCheckpoint({ model: network, labels, preprocessing, weights, training }, isHalved)),
  );
  // A data set of the network's name, as who trains on Imagenette has.
  await writeDemoPictures(at("imagenette"), { trainPerClass: 2, valPerClass: 1, heldBackPerClass: 1, size: 40 });
  const files = readdirSync(at("imagenette", "val"), { recursive: true, encoding: "utf8" });
  picture = join("imagenette", "val", files.find((name) => /\.\w+$/.test(name))!);
});

test("classify without weights answers by it, and says what it knows", async () => {
  const { code, stdout, stderr } = await senet("classify", picture, "--top", "10", "--json");
  assert.equal(code, 0, stderr);
  assert.match(stderr, /no --weights: imagenette answers, the se-resnet-20 that comes with the package/);
  assert.match(stderr, /\(recipe imagenette-20@1, seed 3, 92\.5 % right of its pictures to validate with\)/);
  assert.match(stderr, /It knows 10 classes, and nothing else: tench, springer, .*, parachute/);
  const [{ predictions }] = JSON.parse(stdout) as [{ predictions: { label: string }[] }];
  assert.deepEqual(predictions.map(({ label }) => label).sort(), [...labels].sort());
  const named = await senet("classify", picture, "--weights", "imagenette", "--top", "10", "--json");
  assert.equal(named.stdout, stdout);
  assert.doesNotMatch(named.stderr, /no --weights/);
});

test("all engines read its float16 alike", async () => {
  const probabilities = await Promise.all(
    ["reference", "ort", "onednn"].map(async (executor) => {
      const { code, stdout, stderr } = await senet("classify", picture, "--executor", executor, "--json", "--top", "3");
      if (code !== 0) return assert.match(stderr, /oneDNN|onnxruntime/i);
      const [{ predictions }] = JSON.parse(stdout) as [{ predictions: { label: string; probability: number }[] }];
      return predictions.map(({ label, probability }) => `${label} ${probability.toFixed(5)}`);
    }),
  );
  const known = probabilities.filter((one) => one !== undefined);
  assert.ok(known.length >= 2);
  for (const one of known) assert.deepEqual(one, known[0]);
});

test("a training begins with it: its layers, its pictures' size, a new head", async () => {
  const common = ["--data", "imagenette", "--epochs", "1", "--batch-size", "8", "--no-report", "--out", "tuned"];
  const { code, stderr } = await senet("train", ...common, "--weights", "imagenette");
  assert.equal(code, 0, stderr);
  const tuned = decodeCheckpoint(readFileSync(at("tuned", "best.safetensors")), "tuned");
  assert.equal(tuned.model.name, "se-resnet-20");
  assert.equal(tuned.preprocessing.crop, 32);
  assert.deepEqual(
    tuned.training,
    { recipe: null, seed: 0, epoch: 1, epochs: 1, top1Error: tuned.training!.top1Error },
    "what it was trained by before is not said of it",
  );
});

test("bundlers and browsers find it under the package's name", () => {
  const require = createRequire(at("package", "package.json"));
  assert.equal(realpathSync(require.resolve("senet/weights/imagenette.safetensors")), realpathSync(file));
});

test("it is measured, gives features and is loaded by the library under its name", async () => {
  const script = `
    import { load } from ${JSON.stringify(pathToFileURL(at("package", "dist", "src", "index.node.js")).href)};
    const network = await load("imagenette");
    console.log(network.model.name, network.labels.length, network.labels[9]);
    await network.dispose();
  `;
  writeFileSync(at("load.mjs"), script);
  const [loaded, exported] = await Promise.all([
    runNode(["load.mjs"], { cwd: folder }),
    senet("export", "--weights", "imagenette", "--out", "net.onnx"),
  ]);
  assert.equal(loaded.stdout, "se-resnet-20 10 parachute\n", loaded.stderr);
  assert.equal(exported.code, 0, exported.stderr);
});

test("a file of its name comes first, and a copy of the package without it says so", async () => {
  writeFileSync(at("other"), "no weights");
  cpSync(file, at("package", "elsewhere"));
  rmSync(file);
  const missing = await senet("classify", picture);
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /the network of the package is not here/);
  rmSync(at("imagenette"), { recursive: true });
  cpSync(at("package", "elsewhere"), at("imagenette"));
  const own = await senet("classify", "other", "--weights", "imagenette");
  assert.match(own.stderr, /imagenette: pictures as/);
});
