/** `senet classify` on everything that a picture can be named by. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import sharp from "sharp";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { initialWeights } from "../src/weights/init.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import { launcher, senetHere, temporaryFolder } from "./command.ts";
import { fileHandler, serve, status } from "./server.ts";
import { tarOf } from "./tar.ts";

const folder = temporaryFolder();
const weights = join(folder, "w.safetensors");
let picture: Buffer;

before(async () => {
  const network = model("se-resnet-20", 3);
  const values = initialWeights(inferenceGraph(network, { batch: 1, imageSize: 32 }), 1);
  const preprocessing = { ...imagenetPreprocessing, resize: 32, crop: 32 };
  writeFileSync(
    weights,
    Buffer.concat(encodeCheckpoint({ model: network, labels: ["a", "b", "c"], preprocessing, weights: values })),
  );
  picture = await sharp({ create: { width: 9, height: 9, channels: 3, background: "teal" } })
    .png()
    .toBuffer();
  for (const file of ["pictures/b/2.png", "pictures/a/1.png", "pictures/top.png"]) {
    mkdirSync(join(folder, file, ".."), { recursive: true });
    writeFileSync(join(folder, file), picture);
  }
  writeFileSync(join(folder, "pictures", "a", "bad.jpg"), "no picture");
});

const options = ["--weights", weights, "--executor", "reference", "--top", "1"];

interface Result {
  readonly file: string;
  readonly predictions: readonly unknown[];
}

test("pictures in an archive, here or at its address", async (t) => {
  const cache = process.env.SENET_CACHE;
  process.env.SENET_CACHE = join(folder, "cache");
  t.after(() => {
    if (cache === undefined) delete process.env.SENET_CACHE;
    else process.env.SENET_CACHE = cache;
  });
  const archive = tarOf([
    { name: "a/1.png", bytes: picture },
    { name: "bad.jpg", bytes: "no picture" },
    { name: "2.png", bytes: picture },
  ]);
  writeFileSync(join(folder, "all.tar"), archive);
  const { origin } = await serve(fileHandler(archive));
  const { code, stdout, stderr } = await senetHere(
    ["classify", "all.tar", `${origin}/set/all.tar`, ...options, "--json"],
    {
      cwd: folder,
    },
  );
  const files = (JSON.parse(stdout) as Result[]).map(({ file }) => file);
  assert.deepEqual(files.slice(0, 2), [join("all.tar", "a", "1.png"), join("all.tar", "2.png")]);
  assert.ok(files.length === 4 && files[3]!.endsWith(join("set", "all.tar", "2.png")), files.join());
  assert.equal(code, 1);
  assert.match(stderr, /bad\.jpg: this is not a picture/);
});

test("folders, patterns, addresses: all in their order, the bad ones named, the exit code tells", async () => {
  const { origin } = await serve((request, response) =>
    request.url === "/x.png" ? void response.end(picture) : status(404)(request, response),
  );
  const address = origin.replace("//", "//me:secret@");
  const names = ["pictures", `${address}/x.png`, `${address}/gone.png`, "pictures/[ab]/*.png"];
  const [json, plain] = await Promise.all([
    senetHere(["classify", ...names, ...options, "--json"], { cwd: folder }),
    senetHere(["classify", "pictures", "--no-recursive", ...options], { cwd: folder }),
  ]);
  const results = JSON.parse(json.stdout) as Result[];
  const [a, b] = [join("pictures", "a", "1.png"), join("pictures", "b", "2.png")];
  assert.deepEqual(
    results.map(({ file }) => file),
    [join("pictures", "top.png"), a, b, `${origin}/x.png`, a, b],
  );
  assert.equal(json.stdout, `${JSON.stringify(results, null, 2)}\n`, "written as they come, it reads as one");
  for (const { predictions } of results) assert.deepEqual(predictions, results[0]!.predictions);
  assert.match(json.stderr, /bad\.jpg: this is not a picture/);
  assert.match(json.stderr, /gone\.png: could not be fetched\n {2}found: {4}answers with status 404/);
  assert.doesNotMatch(json.stdout + json.stderr, /secret/);
  assert.equal(json.code, 1);
  assert.match(plain.stdout, /^pictures.top\.png\n +\d+\.\d\d % {2}[abc]\n$/);
  assert.equal(plain.code, 0, plain.stderr);
});

test("standard input is a picture; nothing that can be read is an empty list", async () => {
  const piped = new Promise<string>((resolve, reject) => {
    const child = execFile(process.execPath, [launcher, "classify", "-", ...options, "--json"], (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    );
    child.stdin!.end(picture);
  });
  const [stdout, none] = await Promise.all([
    piped,
    senetHere(["classify", join("pictures", "a", "bad.jpg"), ...options, "--json"], { cwd: folder }),
  ]);
  assert.deepEqual(
    (JSON.parse(stdout) as Result[]).map(({ file }) => file),
    ["-"],
  );
  assert.deepEqual([none.code, none.stdout], [1, "[]\n"]);
});
