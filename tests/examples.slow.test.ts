/** The examples run, one after the other in one folder, as somebody would try them. */

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { runNode, temporaryFolder } from "./command.ts";
import { writeDrawnPictures } from "./drawn.ts";
import { root } from "./support.ts";

const folder = temporaryFolder();
let pictures: readonly string[] = [];
before(() => {
  pictures = writeDrawnPictures(join(folder, "pictures"), { train: 6, val: 3 });
});

async function run(name: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runNode([join(root, "dist", "examples", `${name}.js`), ...args], {
    cwd: folder,
  });
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  return stdout;
}

const limits = { timeout: 60_000 };
const best = "runs/first/best.safetensors";
const seen = new Set<string>();
const example = (name: string, work: () => Promise<void>) => {
  seen.add(`${name}.ts`);
  test(`examples/${name}.ts`, limits, work);
};

example("train", async () => {
  const said = await run("train");
  assert.match(said, /^18 pictures of 3 classes\nstep 1 of 3: loss [\d.]+\n/);
  assert.match(said, /epoch 2: [\d.]+ % wrong\ndone: runs\/first\/best\.safetensors, top-1 error [\d.]+ %\n$/);
});

example("classify", async () => {
  const said = await run("classify", best, ...pictures);
  for (const file of pictures) assert.ok(said.includes(`${file}\n  `), said);
  assert.match(said, /the first once more, from memory: (blue|green|red)\n$/);
});

example("several-processes", async () => {
  // Alone; with others it is in tests/mpi-library.slow.test.ts.
  assert.match(
    await run("several-processes"),
    /^1 together: runs\/together\/best\.safetensors, top-1 error [\d.]+ %\n$/,
  );
});

example("own-network", async () => {
  assert.match(await run("own-network"), /^depthwiseNet: [\d.]+ % of 9 pictures wrong\n$/);
});

example("training-loop", async () => {
  const said = await run("training-loop");
  assert.equal(said.match(/^update \d+: loss [\d.]+, gradient [\d.]+$/gm)?.length, 6);
  assert.match(said, /loop\.safetensors: [\d.]+ % wrong\n$/);
});

example("onnx", async () => {
  assert.match(await run("onnx"), /^model\.onnx: \d+ bytes; logits differ by [\d.]+e-\d+, relative\n/);
  assert.ok(existsSync(join(folder, "model.onnx")));
});

example("features", async () => {
  const said = await run("features", best, ...pictures);
  assert.equal(said.match(/: most like /g)?.length, 3);
});

example("fine-tune", async () => {
  const said = await run("fine-tune");
  assert.match(said, /^rate [\d.e-]+; the loss falls fastest at [\d.e-]+\n/);
  assert.match(said, /\d+ of \d+ tensors are those of runs\/first\/best\.safetensors: conv1 \(1\)/);
  assert.match(said, /runs\/tuned\/best\.safetensors: blue, green, red; [\d.]+ % wrong\n$/);
});

test("no example is left out", () => {
  assert.deepEqual([...seen].sort(), readdirSync(join(root, "examples")).sort());
});
