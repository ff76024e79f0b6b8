/** Caffe's networks at the command line: a prototxt and its caffemodel are one network, in each command that takes one. */

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import sharp from "sharp";
import { encodeCaffemodel } from "../src/formats/caffemodel-write.ts";
import { namingByName } from "../src/import/rename.ts";
import { type Shape, sizeOf, tensor } from "../src/tensor.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import { caffeLayers, caffePrototxt } from "./caffe.ts";
import { senet, temporaryFolder } from "./command.ts";
import { uniform } from "./formula.ts";

const folder = temporaryFolder();
const at = (...path: string[]) => join(folder, ...path);

before(async () => {
  const caffe = namingByName("caffe");
  assert.ok(caffe.style === "caffe");
  const graph = inferenceGraph(model("se-resnet-8", 3), { batch: 1, imageSize: 32 });
  const blob = (shape: Shape, part: string) => {
    const value = (i: number) => (part === "variance" || part === "factor" ? 1 : uniform(3, i) - 0.5);
    return tensor(
      shape,
      Float32Array.from({ length: sizeOf(shape) }, (_, i) => value(i)),
    );
  };
  const weights = Buffer.concat(encodeCaffemodel("net", caffeLayers(graph, caffe, blob)));
  const plain = caffePrototxt(graph, caffe);
  // What is subtracted here is half of all there is, so that the answers differ.
  const source = 'type: "MemoryData" top: "data" transform_param { mean_value: 128 scale: 0.02 }';
  const shape = "memory_data_param { batch_size: 1 channels: 3 height: 32 width: 32 }";
  const scaled = plain.replace(/^layer \{ name: "data".*$/m, `layer { name: "data" ${source} ${shape} }`);
  for (const [name, text] of [
    ["a", plain],
    ["b", scaled],
  ] as const) {
    writeFileSync(at(`${name}.prototxt`), text);
    writeFileSync(at(`${name}.caffemodel`), weights);
  }
  for (const [n, label] of ["0", "1", "2"].entries()) {
    mkdirSync(at("pictures", label), { recursive: true });
    const pixels = Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * (7 + n)) % 256);
    const picture = sharp(pixels, { raw: { width: 32, height: 32, channels: 3 } }).png();
    await picture.toFile(at("pictures", label, "x.png"));
  }
});

const run = async (...args: string[]) => {
  const ran = await senet(args, { cwd: folder });
  assert.equal(ran.code, 0, ran.stderr);
  return ran.stdout;
};

test("classify takes them in either order, before or behind the pictures", async () => {
  const picture = join("pictures", "1", "x.png");
  const first = await run("classify", picture, "--json", "--weights", "b.prototxt", "b.caffemodel");
  assert.equal(JSON.parse(first)[0].predictions.length, 3);
  for (const args of [
    [picture, "--json", "--weights", "b.caffemodel", "b.prototxt"],
    ["--json", "--weights", "b.prototxt", "b.caffemodel", picture],
  ]) {
    assert.equal(await run("classify", ...args), first);
  }
  assert.notEqual(await run("classify", picture, "--json", "--weights", "a.prototxt", "a.caffemodel"), first);
});

test("evaluate has a row for each network, not for each file", async () => {
  const networks = ["a.prototxt", "a.caffemodel", "b.prototxt", "b.caffemodel"];
  const lines = (await run("evaluate", "--data", "pictures", "--json", "--weights", ...networks)).trim().split("\n");
  const rows = lines.map((line) => JSON.parse(line) as { weights: string; images: number });
  assert.deepEqual(
    rows.map(({ weights, images }) => [weights, images]),
    [
      ["a.caffemodel", 3],
      ["b.caffemodel", 3],
    ],
  );
});

test("convert keeps what the definition wants of pictures", async () => {
  await run("convert", "b.prototxt", "b.caffemodel", "b.safetensors");
  const picture = join("pictures", "2", "x.png");
  const own = await run("classify", picture, "--json", "--weights", "b.safetensors");
  assert.equal(own, await run("classify", picture, "--json", "--weights", "b.prototxt", "b.caffemodel"));
});

test("a definition alone, and weights that it does not fit, are told apart", async () => {
  const alone = await senet(["classify", join("pictures", "1", "x.png"), "--weights", "a.prototxt"], { cwd: folder });
  assert.equal(alone.code, 1);
  assert.match(alone.stderr, /definition of a network, without its weights/);
});
