/** `senet lr-find`, and the same from a program. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { findLearningRate } from "../src/api/rates.node.ts";
import { senet, temporaryFolder } from "./command.ts";
import { writeDrawnPictures } from "./drawn.ts";
import { assertClose } from "./support.ts";

const folder = temporaryFolder();
const data = join(folder, "pictures");
before(() => {
  writeDrawnPictures(data, { train: 8 });
});

// One thread: of two the engine may let one go on a busy machine, which changes the last bits.
const trial = ["--model", "se-resnet-8", "--batch-size", "12", "--seed", "1", "--workers", "1", "--threads", "1"];
const run = (...args: string[]) => senet(["lr-find", "--data", data, ...trial, ...args], { cwd: folder });

test("a trial suggests a rate and draws its curve; the same from a program", async () => {
  const { code, stdout, stderr } = await run("--steps", "60", "--start-lr", "1e-5", "--json");
  assert.equal(code, 0, stderr);
  const found = JSON.parse(stdout);
  assert.equal(found.curve, "lr-find.svg");
  assert.ok(found.suggested > 1e-4 && found.suggested < 1, `${found.suggested}`);
  assert.equal(found.suggested, found.valley);
  assert.ok(found.points.length > 20 && found.points.length <= 60);
  assert.match(stderr, /next: senet train --data \S+ --lr [\d.e-]+/);
  const svg = readFileSync(join(folder, "lr-find.svg"), "utf8");
  assert.match(svg, /^<svg [\s\S]*se-resnet-8 on[\s\S]*<\/svg>\n$/);

  const own = await findLearningRate(data, {
    ...{ model: "se-resnet-8", batchSize: 12, seed: 1, workers: 1, threads: 1, from: 1e-5, steps: 60 },
  });
  // Printed numbers are rounded.
  const losses = (points: readonly { readonly loss: number }[]) => points.map(({ loss }) => loss);
  assertClose([own.suggested], [found.suggested], 1e-9, "suggested");
  assertClose(losses(own.points), losses(found.points), 1e-9, "losses");
  assert.ok(own.curve.startsWith("<svg "));
});

test("in words; and where nothing can be read, that is said, beside the curve", async () => {
  const { code, stdout } = await run("--steps", "60", "--start-lr", "1e-5", "--out", "curve.svg");
  assert.equal(code, 0);
  assert.match(stdout, /^suggested rate: [\d.e-]+\nsteepest fall at [\d.e-]+; a tenth of .*\ncurve: curve\.svg\n$/);
  const short = await run("--steps", "4", "--out", "short.svg");
  assert.equal(short.code, 1);
  assert.match(short.stderr, /no learning rate can be read from this trial/);
  assert.ok(existsSync(join(folder, "short.svg")));
});

test("the batch that a training would find by itself; what cannot be written is said before anything is tried", async () => {
  const { stderr } = await run("--steps", "4", "--batch-size", "auto");
  assert.match(stderr, /^batches of 2 pictures: for 10 steps an epoch/m);
  await assert.rejects(
    findLearningRate(data, { model: "se-resnet-8", batchSize: "auto", steps: 4 }),
    /no learning rate/,
  );
  const [kind, nowhere] = [await run("--out", "curve.png"), await run("--out", "nowhere/curve.svg")];
  assert.deepEqual([kind.code, nowhere.code], [2, 1]);
  assert.match(kind.stderr, /^senet: curve\.png: the file extension does not say/);
  assert.match(nowhere.stderr, /^senet: nowhere: the folder to write to cannot be used/);
});
