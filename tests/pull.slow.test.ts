/** `senet pull` and `--weights NAME` as a user runs them, with a mirror that has a file of a network that it can read. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { knownFiles } from "../src/pull/addresses.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import { senet, temporaryFolder } from "./command.ts";
import { formulaWeights } from "./formula.ts";
import { fileHandler, serve, status } from "./server.ts";

// One whose hash nobody knows, so that any weights do. They are a small network's, as senet train writes them.
const name = "se-resnet-50.timm-a1";
const { file } = knownFiles.get(name)!;
const network = model("se-resnet-20");
const bytes = Buffer.concat(
  encodeCheckpoint({
    model: network,
    labels: Array.from({ length: network.classes }, (_, i) => `class ${i}`),
    preprocessing: { ...imagenetPreprocessing, resize: 36, crop: 32 },
    weights: formulaWeights(inferenceGraph(network, { batch: 1, imageSize: 32 })),
  }),
);

/** Commands of this test see this environment. */
function environment(values: Readonly<Record<string, string>>): void {
  // Nothing may leave this machine; the mirror is on it.
  Object.assign(process.env, { HTTPS_PROXY: "http://127.0.0.1:9", NO_PROXY: "127.0.0.1" }, values);
}

test("--weights NAME fetches once, and runs what was fetched", async () => {
  const mirror = await serve((request, response) =>
    request.url === `/weights/${file}` ? fileHandler(bytes)(request, response) : status(404)(request, response),
  );
  const cache = join(temporaryFolder(), "cache");
  environment({ SENET_MIRROR: `${mirror.origin}/weights/`, SENET_CACHE: cache });
  const out = join(temporaryFolder(), "model.onnx");
  const exporting = ["export", "--weights", name, "--out", out];
  const first = await senet(exporting);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /se-resnet-20, \d+ bytes; logits differ by/);
  assert.match(first.stderr, new RegExp(`${name}: ${file}, \\d\\.\\d MB in 0:\\d\\d from http`));
  assert.ok(existsSync(out));
  assert.ok(readFileSync(join(cache, file)).equals(bytes));
  const second = await senet(exporting);
  assert.deepEqual([second.code, second.stderr], [0, ""]);
  assert.equal(mirror.requests.length, 1);
});

test("senet pull prints where the file is, and its list says that it is there", async () => {
  const mirror = await serve(fileHandler(bytes));
  const cache = temporaryFolder();
  environment({ SENET_MIRROR: mirror.origin });
  const path = join(cache, file);
  const pulled = await senet(["pull", name, "--cache", cache]);
  assert.deepEqual([pulled.code, pulled.stdout], [0, `${path}\n`], pulled.stderr);
  const again = await senet(["pull", name, "--cache", cache, "--offline", "--json"]);
  assert.deepEqual(JSON.parse(again.stdout), { name, path });
  const list = await senet(["pull", "--cache", cache]);
  const lines = list.stdout.split("\n");
  assert.match(lines.find((line) => line.startsWith(name))!, /timm\/seresnet50\.a1_in1k +Apache-2\.0 +yes$/);
  assert.equal(lines.filter((line) => line.endsWith("yes")).length, 1);
  const json = JSON.parse((await senet(["pull", "--cache", cache, "--json"])).stdout) as { isCached: boolean }[];
  assert.equal(json.length, knownFiles.size);
  assert.equal(json.filter(({ isCached }) => isCached).length, 1);
});

test("what cannot be fetched is an error with every address and the way around", async () => {
  const mirror = await serve(status(404));
  const cache = temporaryFolder();
  environment({ SENET_MIRROR: mirror.origin });
  const { code, stderr, stdout } = await senet(["pull", "se-resnet-50", "--cache", cache]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /could not be fetched/);
  for (const address of [`${mirror.origin}/SE-ResNet-50.caffemodel`, ...knownFiles.get("se-resnet-50")!.addresses])
    assert.ok(stderr.includes(`${address}: `), stderr);
  assert.ok(stderr.includes(`save it as ${join(cache, "SE-ResNet-50.caffemodel")}`), stderr);

  const offline = await senet(["pull", "se-resnet-50", "--offline", "--cache", cache]);
  assert.equal(offline.code, 1);
  assert.match(offline.stderr, /not in the cache, and --offline forbids fetching it/);
});

test("a command that is given wrongly says how it is meant", async () => {
  const unknown = await senet(["pull", "se-resnet50.cadene"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /try: +se-resnet-50\.cadene/);
  const both = await senet(["pull", name, "--force", "--offline"]);
  assert.equal(both.code, 2);
});
