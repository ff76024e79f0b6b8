/** `senet convert` as a user runs it, and `classify` straight from files of others. */

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import sharp from "sharp";
import { parseSafetensors } from "../src/formats/safetensors.ts";
import { encodeSafetensors } from "../src/formats/safetensors-write.ts";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { imagenetLabels } from "../src/import/imagenet-classes.ts";
import { namingByName } from "../src/import/rename.ts";
import { weightsAs } from "../src/import/write.ts";
import { type Tensor, tensor } from "../src/tensor.ts";
import type { Checkpoint } from "../src/weights/checkpoint.ts";
import { encodeWeights } from "../src/weights/encode.ts";
import { openWeights } from "../src/weights/open.node.ts";
import { inferenceGraph, type Model, model } from "../src/zoo/index.ts";
import { senet, temporaryFolder } from "./command.ts";
import { formulaWeights, uniform } from "./formula.ts";
import { golden } from "./support.ts";

const folder = temporaryFolder();
const at = (file: string) => join(folder, file);
const joined = (chunks: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(chunks));
const weightsOf = (network: Model) => formulaWeights(inferenceGraph(network, { batch: 1, imageSize: 64 }));

const small: Checkpoint = (() => {
  const network = model("se-resnet-20", 3);
  const preprocessing = { ...imagenetPreprocessing, resize: 36, crop: 32 };
  return { model: network, labels: ["cat", "dog", "newt"], preprocessing, weights: weightsOf(network) };
})();
writeFileSync(at("small.safetensors"), joined(encodeWeights(small, namingByName("senet"))));

/** Runs it in the folder. */
const convert = (...args: string[]) => senet(["convert", ...args], { cwd: folder });

test("from our file to others' and back, and each says what it did", async () => {
  const chain = ["small.safetensors", "mmcls.safetensors", "small.caffemodel", "timm.safetensors", "back.safetensors"];
  const namings = ["mmcls", "caffe", "timm", "senet"];
  for (const [i, naming] of namings.entries()) {
    const [from, to] = [chain[i]!, chain[i + 1]!];
    const { code, stdout, stderr } = await convert(from, to, "--to", naming);
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`^${to}: se-resnet-20, 2\\d\\d,\\d{3} parameters, 3 classes; wants RGB 0-1, `));
    assert.match(stdout, /bilinear 36 to 32; from \w+ with the names of \w+, logits differ by 0\.0e\+0, relative\n$/);
    // What others will expect is something else, and it is said.
    if (naming === "caffe") assert.match(stderr, /names of caffe other programs expect BGR 0-255, mean 104 117 123/);
    if (naming === "senet") assert.equal(stderr, "");
  }
  const { metadata, tensors } = parseSafetensors(new Uint8Array(readFileSync(at("timm.safetensors"))), "timm");
  assert.equal(metadata.get("format"), "pt");
  assert.ok(tensors.has("layer1.0.se.fc1.weight"));
  assert.deepEqual(readFileSync(at("back.safetensors")), readFileSync(at("small.safetensors")));
});

test("--json, --labels and ONNX", async () => {
  writeFileSync(at("labels.txt"), "ant\nbee\ncrane fly\n");
  const { code, stdout, stderr } = await convert("small.safetensors", "o.onnx", "--labels", "labels.txt", "--json");
  assert.equal(code, 0, stderr);
  const { difference, ...found } = JSON.parse(stdout) as Record<string, unknown>;
  assert.ok((difference as number) < 1e-5);
  assert.deepEqual(found, {
    file: "o.onnx",
    from: { format: "safetensors", naming: "senet" },
    to: { format: "onnx" },
    model: "se-resnet-20",
    tensors: small.weights.size,
    parameters: 274_392,
    classes: 3,
    classOrder: null,
    preprocessing: small.preprocessing,
    dtype: "float32",
    training: null,
  });
  assert.ok(readFileSync(at("o.onnx")).includes("crane fly"));
});

test("--dtype float16 halves a file, and says by how much it differs", async () => {
  const { code, stdout, stderr } = await convert(
    "small.safetensors",
    "half.safetensors",
    "--dtype",
    "float16",
    "--json",
  );
  assert.equal(code, 0, stderr);
  const { difference, dtype } = JSON.parse(stdout) as { difference: number; dtype: string };
  assert.equal(dtype, "float16");
  assert.ok(difference > 0 && difference < 1e-2, `${difference}`);
  const size = (file: string) => readFileSync(at(file)).length;
  assert.ok(size("half.safetensors") < 0.62 * size("small.safetensors"));
  // Once more: nothing is lost any more.
  const again = await convert("half.safetensors", "again.safetensors", "--dtype", "float16", "--json");
  assert.ok(readFileSync(at("half.safetensors")).equals(readFileSync(at("again.safetensors"))), again.stderr);
});

/** Each is refused with this exit code, by words that match; nothing is written then. */
const refusals: readonly (readonly [args: string, code: number, words: RegExp])[] = [
  ["small.safetensors", 2, /no output file was given/],
  [
    "small.safetensors none.safetenors",
    2,
    /the file extension does not say which format to write[\s\S]*try: +none\.safetensors/,
  ],
  ["small.safetensors none.safetensors --to tim", 2, /no naming "tim"\s+try: +timm/],
  ["small.safetensors none.safetensors --to caffe", 2, /expected: --to cadene, /],
  ["small.safetensors none.caffemodel --to timm", 2, /expected: --to caffe, shicai/],
  ["small.safetensors none.onnx --to timm", 2, /an ONNX file has its own names/],
  ["small.safetensors none.safetensors --to akamaster", 2, /no names for a part .*[\s\S]*another naming: caffe, /],
  ["mmcls.safetensors none.onnx --model seresnet20", 2, /try: +se-resnet-20/],
  ["small.safetensors none.onnx --labels none.txt", 1, /labels cannot be read/],
  ["small.safetensors none.onnx --dtype float16", 2, /only safetensors are written as float16/],
  ["small.safetensors none.safetensors --dtype half", 2, /float16/],
  ["missing.pth none.onnx", 1, /missing\.pth: cannot be read/],
  ["page.pth none.onnx", 1, /page\.pth: this is a web page, not weights/],
];
writeFileSync(at("page.pth"), "<!DOCTYPE html><title>Not found</title>");

for (const [args, code, words] of refusals) {
  test(`senet convert ${args} is refused`, async () => {
    const ran = await convert(...args.split(" "));
    assert.match(ran.stderr, words);
    assert.equal(ran.code, code, ran.stderr);
    assert.equal(ran.stdout, "");
    for (const file of ["none.safetensors", "none.caffemodel", "none.onnx"]) assert.ok(!existsSync(at(file)), file);
  });
}

/** Reads a weight tensor's rows in another order. */
function withRows({ shape, data }: Tensor, order: readonly number[]): Tensor {
  const length = data.length / order.length;
  const rows = new Float32Array(data.length);
  for (const [i, from] of order.entries()) {
    rows.set((data as Float32Array).subarray(from * length, (from + 1) * length), i * length);
  }
  return tensor(shape, rows);
}

/**
 * The network for Caffe's pictures and class order that gives what the one in `weights` gives for PyTorch's: first
 * convolution and classifier in another order, and the first batch norm's mean moved by what the means differ.
 */
function asCaffe(weights: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const result = new Map(weights);
  const { mean, std } = imagenetPreprocessing;
  const caffeMean = [123, 117, 104];
  const { shape, data } = weights.get("conv1.weight")!;
  const [filters, , kernel] = shape as [number, number, number, number];
  const area = kernel * kernel;
  const first = new Float32Array(data.length);
  const shift = new Float64Array(filters);
  for (let filter = 0; filter < filters; filter++) {
    for (let channel = 0; channel < 3; channel++) {
      for (let i = 0; i < area; i++) {
        const value = data[(filter * 3 + channel) * area + i]! / (255 * std[channel]!);
        first[(filter * 3 + 2 - channel) * area + i] = value;
        shift[filter]! += value * (caffeMean[channel]! - 255 * mean[channel]!);
      }
    }
  }
  result.set("conv1.weight", tensor(shape, first));
  const moved = Float32Array.from(weights.get("bn1.running_mean")!.data, (value, i) => value - shift[i]!);
  result.set("bn1.running_mean", tensor([filters], moved));
  const sorted = imagenetLabels("sorted");
  const order = imagenetLabels("devkit").map((label) => sorted.indexOf(label));
  for (const name of ["fc.weight", "fc.bias"]) result.set(name, withRows(weights.get(name)!, order));
  return result;
}

test("one network as a caffemodel, under Cadene's names and as our file calls a picture the same, without flags", async () => {
  const network = model("se-resnet-50");
  const weights = weightsOf(network);
  const caffe = namingByName("caffe");
  const labels = imagenetLabels("devkit");
  const caffeWeights = asCaffe(weights);
  const checkpoint = {
    model: network,
    labels,
    preprocessing: caffe.preprocessing(network.config),
    weights: caffeWeights,
  };
  writeFileSync(at("fifty.caffemodel"), joined(encodeWeights(checkpoint, caffe)));
  const cadene = weightsAs({ model: network, weights }, namingByName("cadene"));
  assert.ok(cadene.kind === "tensors");
  // As others write it: it says nothing.
  writeFileSync(at("fifty-cadene.safetensors"), joined(encodeSafetensors(cadene.tensors, new Map())));
  const { code, stderr } = await convert("fifty.caffemodel", "fifty.safetensors");
  assert.equal(code, 0, stderr);

  // Reds, greens and blues that no exchange of channels leaves as they are.
  const [width, height] = [300, 260];
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, channel] = [Math.floor(i / 3) % width, i % 3];
    return Math.min(255, [40, 110, 180][channel]! + 60 * uniform(channel, Math.floor(x / 20)) + 15 * uniform(9, i));
  });
  await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(at("picture.png"));

  const classify = async (weights: string) => {
    const ran = await senet(["classify", "picture.png", "--weights", weights, "--threads", "2", "--json"], {
      cwd: folder,
    });
    assert.equal(ran.code, 0, ran.stderr);
    const [{ predictions }] = JSON.parse(ran.stdout) as [{ predictions: { label: string; probability: number }[] }];
    return predictions;
  };
  const fromCaffe = await classify("fifty.caffemodel");
  assert.match(fromCaffe[0]!.label, /^n\d{8} \w/);
  assert.deepEqual(await classify("fifty.safetensors"), fromCaffe);
  const fromCadene = await classify("fifty-cadene.safetensors");
  const [best, second] = fromCadene;
  assert.equal(fromCaffe[0]!.label, best!.label);
  // Where the picture ends, Caffe's zeros and PyTorch's stand for colours that differ by half a level.
  assert.ok(Math.abs(fromCaffe[0]!.probability - best!.probability) < 0.01 * best!.probability);
  assert.ok(best!.probability > 1.03 * second!.probability, `${best!.probability}, ${second!.probability}`);

  // The same file read as another convention would have it gives other classes: the test can fail.
  const wrong = { ...(await openWeights(at("fifty-cadene.safetensors"))), preprocessing: checkpoint.preprocessing };
  writeFileSync(at("wrong.safetensors"), joined(encodeWeights(wrong, namingByName("senet"))));
  assert.notEqual((await classify("wrong.safetensors"))[0]!.label, best!.label);
});

test("--in-chans, --mean and --std: what the result takes is another, and it is told", async () => {
  const { code, stdout, stderr } = await convert(
    "small.safetensors",
    "grey.safetensors",
    "--in-chans",
    "1",
    "--std",
    "0.5",
  );
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /^grey\.safetensors: se-resnet-20-1channels, .* wants GREY 0-1, mean 0\.449 .*, deviation 0\.5 /,
  );
  const { preprocessing } = await openWeights(at("grey.safetensors"));
  assert.deepEqual([preprocessing.channels, preprocessing.std], ["grey", [0.5, 0.5, 0.5]]);
  const onnx = await convert("grey.safetensors", "grey.onnx");
  assert.equal(onnx.code, 0, onnx.stderr);
  const four = await convert("small.safetensors", "four.safetensors", "--in-chans", "4");
  assert.equal(four.code, 0, four.stderr);
  const picture = golden("images", "rgb.png");
  const seen = await senet(["classify", picture, "--weights", "grey.safetensors"], { cwd: folder });
  assert.equal(seen.code, 0, seen.stderr);
  assert.match(seen.stderr, /^grey\.safetensors: pictures as GREY 0-1, .*; from the file$/m);
  const unseen = await senet(["classify", picture, "--weights", "four.safetensors"], { cwd: folder });
  assert.equal(unseen.code, 2);
  assert.match(unseen.stderr, /takes channels that pictures do not have[\s\S]*4 channels/);
});
