/** `senet prune` on a network by a formula: its tables and its JSON. */

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import sharp from "sharp";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { senetHere, temporaryFolder } from "./command.ts";
import { formulaCheckpoint } from "./explain.ts";

const folder = temporaryFolder();
const weights = join(folder, "w.safetensors");
const data = join(folder, "data");

before(async () => {
  writeFileSync(weights, Buffer.concat(encodeCheckpoint(formulaCheckpoint("se-resnet-8", 3, 16))));
  for (const [i, background] of ["teal", "plum", "olive", "navy", "tan", "pink"].entries()) {
    const path = join(data, `class ${i % 3}`, `${i}.png`);
    mkdirSync(join(path, ".."), { recursive: true });
    await sharp({ create: { width: 16, height: 16, channels: 3, background } })
      .png()
      .toFile(path);
  }
});

const options = ["prune", "--data", data, "--executor", "ort", "--batch-size", "4"];

test("senet prune ranks the blocks and says what is lost, in tables and as JSON", async () => {
  const shown = await senetHere([...options, "--weights", weights, "--parts", "0.25"]);
  assert.equal(shown.code ?? 0, 0, shown.stderr);
  for (const words of [/^6 pictures, top-1 error/m, /layer1\.0 +16/, /layer3\.0 +64/, /^ +28 +25 %/m])
    assert.match(shown.stdout, words);
  const { stdout } = await senetHere([...options, "--weights", weights, "--sample", "3", "--json"]);
  const found = JSON.parse(stdout) as { whole: { images: number }; blocks: unknown[]; parts: { part: number }[] };
  assert.equal(found.whole.images, 3);
  assert.equal(found.blocks.length, 3);
  assert.deepEqual(
    found.parts.map(({ part }) => Math.round(100 * part)),
    [5, 10, 20, 33, 50],
  );
});

test("senet prune refuses what has no gates, and parts that are none", async () => {
  const plain = join(folder, "plain.safetensors");
  writeFileSync(plain, Buffer.concat(encodeCheckpoint(formulaCheckpoint("resnet-8", 3, 16))));
  const refused = await senetHere([...options, "--weights", plain]);
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, /no gates/);
  assert.equal((await senetHere([...options, "--weights", weights, "--parts", "0.5,2"])).code, 2);
  const two = await senetHere([...options, "--weights", weights, plain]);
  assert.equal(two.code, 2, two.stderr);
  assert.match(two.stderr, /--weights: one network is pruned.*plain\.safetensors/s);
});

test("senet prune takes blocks out, and what it writes is a network like any other", async () => {
  const whole = join(folder, "whole.safetensors");
  const out = join(folder, "smaller.safetensors");
  writeFileSync(whole, Buffer.concat(encodeCheckpoint(formulaCheckpoint("se-resnet-20", 3, 16))));
  const removed = await senetHere([
    ...[...options, "--weights", whole, "--remove", "layer1.1, layer3.2", "--out", out, "--json"],
  ]);
  assert.equal(removed.code ?? 0, 0, removed.stderr);
  const found = JSON.parse(removed.stdout) as Record<"whole" | "smaller", Record<string, number>>;
  assert.ok(found.smaller.parameters! < found.whole.parameters!);
  assert.ok(found.smaller.multiplyAdds! < found.whole.multiplyAdds!);
  const evaluated = await senetHere(["evaluate", "--weights", out, "--data", data, "--executor", "ort", "--json"]);
  const measured = JSON.parse(evaluated.stdout) as { top1_error: number };
  assert.equal(measured.top1_error, found.smaller.top1Error);
  const shown = await senetHere([...options, "--weights", whole, "--remove", "layer1.1"]);
  assert.match(shown.stdout, /^without layer1\.1 +\d+,\d+ +0\.\d+ G +\d/m);
  const onnx = await senetHere(["export", "--weights", out, "--out", join(folder, "smaller.onnx")]);
  assert.equal(onnx.code ?? 0, 0, onnx.stderr);
  const picture = join(data, "class 1", "1.png");
  for (const weights of [out, join(folder, "smaller.onnx")]) {
    const answer = await senetHere(["classify", picture, "--weights", weights, "--executor", "ort"]);
    assert.match(answer.stdout, /class \d/, answer.stderr);
  }
  const run = join(folder, "run");
  const trained = await senetHere([
    ...["train", "--weights", out, "--data", data, "--val-split", "0.5", "--out", run, "--epochs", "1"],
    ...["--batch-size", "2", "--image-size", "16", "--workers", "1", "--executor", "ort"],
  ]);
  assert.equal(trained.code ?? 0, 0, trained.stderr);
  const refused = await senetHere([...options, "--weights", whole, "--out", out]);
  assert.match(refused.stderr, /--remove BLOCKS/);
  assert.equal(refused.code, 2);
});
