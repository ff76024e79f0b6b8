/** Caffe's networks by their definitions: what is said is obeyed, and the zoo's network taken only where it is the same. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { caffeLayers, caffePrototxt } from "../../tests/caffe.ts";
import { temporaryFolder } from "../../tests/command.ts";
import { formulaPictures } from "../../tests/formula.ts";
import { assertClose } from "../../tests/support.ts";
import { floats, proto, refused } from "../../tests/weights.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { encodeCaffemodel } from "../formats/caffemodel-write.ts";
import { allOf, oneOf, parsePrototxt } from "../formats/prototxt.ts";
import { decodeMeanImage } from "../images/preprocess.ts";
import { namingByName } from "../import/rename.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { inferenceGraph, inputName, model } from "../zoo/index.ts";
import { encodeWeights } from "./encode.ts";
import { openPaths } from "./open.node.ts";
import { openFiles } from "./open.ts";

const bytesOf = (chunks: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(chunks));
const text = (content: string) => new TextEncoder().encode(content);

const caffe = namingByName("caffe");
assert.ok(caffe.style === "caffe");
const small = { ...model("se-resnet-8", 3) };
const graph = inferenceGraph(small, { batch: 1, imageSize: 32 });
const layers = caffeLayers(graph, caffe, (shape, part) => {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return tensor(
    shape,
    Float32Array.from({ length: size }, (_, i) => (part === "factor" ? 1 : 0.1 + (i % 7) / 10)),
  );
});
const caffemodel = bytesOf(encodeCaffemodel("small", layers));
const plain = caffePrototxt(graph, caffe);
const open = (definition: string, weights: Uint8Array = caffemodel, ...more: { where: string; bytes: Uint8Array }[]) =>
  openFiles([{ where: "net.prototxt", bytes: text(definition) }, { where: "net.caffemodel", bytes: weights }, ...more]);

test("a definition that is the zoo's network gives the zoo's network", async () => {
  const { checkpoint, naming, notes } = await open(plain);
  assert.deepEqual([checkpoint.model.name, naming, notes], ["se-resnet-8", "caffe", []]);
  assert.deepEqual(checkpoint.preprocessing.mean, [104, 117, 123]);
  assert.deepEqual([checkpoint.preprocessing.resize, checkpoint.preprocessing.crop], [32, 32]);
  // A byte order mark in front is of no consequence.
  assert.equal((await open(`\uFEFF${plain}`)).naming, "caffe");
});

/** The lines of a definition with those replaced for which `change` gives others. */
const changed = (definition: string, change: (line: string, type: string, name: string) => string) =>
  definition
    .split("\n")
    .map((line) => change(line, /type: "(\w+)"/.exec(line)?.[1] ?? "", /name: "([^"]+)"/.exec(line)?.[1] ?? ""))
    .join("\n");

test("a gate and a sum in two layers are the one layer of the authors", async () => {
  const inTwo = changed(plain, (line, type, name) => {
    const [gate, branch, shortcut] = [...line.matchAll(/bottom: "([^"]+)"/g)].map(([, bottom]) => bottom!);
    if (type !== "Axpy") return line;
    const scale = `layer { name: "${name}_gated" type: "Scale" bottom: "${branch}" bottom: "${gate}" top: "${name}_gated" scale_param { axis: 0 } }`;
    return `${scale}\nlayer { name: "${name}" type: "Eltwise" bottom: "${name}_gated" bottom: "${shortcut}" top: "${name}" }`;
  });
  const { checkpoint, naming, notes } = await open(inTwo);
  assert.deepEqual([checkpoint.model.name, naming, notes], ["se-resnet-8", "caffe", []]);
});

test("batch norms that were merged into their convolutions are no part of the network, which computes the same", async () => {
  const values = (name: string, blob: number) => layers.find((layer) => layer.name === name)!.blobs[blob]!.data;
  const factors = new Map<string, Float64Array>();
  const biases = new Map<string, Tensor>();
  const aliases = new Map<string, string>();
  const merged = changed(plain, (line, type, name) => {
    const read = line.replace(
      /bottom: "([^"]+)"/g,
      (_, bottom: string) => `bottom: "${aliases.get(bottom) ?? bottom}"`,
    );
    if (type === "Convolution") return read.replace("bias_term: false", "bias_term: true");
    const [, from] = /bottom: "([^"]+)"/.exec(read) ?? [];
    const isScale = type === "Scale";
    if (type !== "BatchNorm" && !isScale) return read;
    aliases.set(name, from!);
    if (!isScale) {
      factors.set(
        from!,
        Float64Array.from(values(name, 1), (variance) => 1 / Math.sqrt(variance + 1e-5)),
      );
      biases.set(from!, tensor([values(name, 0).length], Float32Array.from(values(name, 0))));
    } else {
      const factor = factors.get(from!)!;
      for (const [c, gamma] of values(name, 0).entries()) factor[c]! *= gamma;
      const means = biases.get(from!)!.data;
      for (const [c, beta] of values(name, 1).entries()) means[c] = beta - means[c]! * factor[c]!;
    }
    return "";
  });
  const kept = layers
    .filter(({ type }) => type !== "BatchNorm" && type !== "Scale")
    .map((layer) => {
      const [weight, ...others] = layer.blobs;
      const factor = factors.get(layer.name);
      if (factor === undefined) return layer;
      const { shape, data } = weight!;
      const each = data.length / factor.length;
      const scaled = tensor(
        shape,
        Float32Array.from(data, (value, i) => value * factor[Math.floor(i / each)]!),
      );
      assert.equal(others.length, 0);
      return { ...layer, blobs: [scaled, biases.get(layer.name)!] };
    });
  const { checkpoint, naming } = await open(merged, bytesOf(encodeCaffemodel("merged", kept)));
  assert.deepEqual([checkpoint.model.config.family, naming], ["layers", undefined]);
  const logitsOf = async ({ model, weights }: typeof checkpoint) => {
    const executable = await referenceExecutor.compile(inferenceGraph(model, { batch: 1, imageSize: 32 }), weights);
    const outputs = await executable.run(new Map([[inputName, formulaPictures(1, 32, 0)]]));
    return Array.from([...outputs.values()][0]!.data);
  };
  const truth = await logitsOf((await open(plain)).checkpoint);
  assertClose(await logitsOf(checkpoint), truth, 1e-4 * Math.max(...truth.map(Math.abs)), "merged");
});

const changes: readonly (readonly [what: string, from: RegExp, to: string])[] = [
  ["a stride", /(name: "conv3_1_1x1_reduce" [^\n]*stride: )2/, "$11"],
  ["a dilation", /(name: "conv2_1_3x3" [^\n]*)pad: 1/, "$1pad: 2 dilation: 2"],
];
for (const [what, from, to] of changes) {
  test(`a definition with another ${what.replace(/^an? /, "")} is obeyed`, async () => {
    const altered = plain.replace(from, to);
    assert.notEqual(altered, plain);
    // One stage has another size then, and its shortcut too.
    const fitting =
      what === "a stride" ? altered.replace(/(name: "conv3_1_1x1_proj" [^\n]*stride: )2/, "$11") : altered;
    const { checkpoint, naming, notes } = await open(fitting);
    assert.deepEqual([checkpoint.model.config.family, naming], ["layers", undefined]);
    assert.match(notes.join("\n"), /differs from se-resnet-8/);
  });
}

test("another eps of batch norm is made up for in its variance", async () => {
  const altered = plain.replace(/(name: "conv2_1_3x3\/bn" [^\n]*)use_global_stats: true/, "$1eps: 0.5");
  assert.notEqual(altered, plain);
  const variance = async (definition: string) =>
    (await open(definition)).checkpoint.weights.get("layer1.0.bn2.running_var")!;
  const [before, after] = [await variance(plain), await variance(altered)];
  assert.ok(Math.abs(after.data[0]! - before.data[0]! - 0.5) < 1e-4, `${after.data[0]} after ${before.data[0]}`);
});

const input = /^layer \{ name: "data".*$/m;
const withData = (transform: string, more = "", type = "Data") =>
  plain.replace(
    input,
    `layer { name: "data" type: "${type}" top: "data" top: "label" include { phase: TRAIN } transform_param { crop_size: 28 } }
     layer { name: "data" type: "${type}" top: "data" top: "label" include { phase: TEST } transform_param { ${transform} } ${more} }`,
  );

test("means, scale and crop of the test phase are obeyed, and the crop is cut from pictures as they are", async () => {
  const { checkpoint, naming } = await open(
    withData("crop_size: 32 scale: 0.5 mean_value: 1 mean_value: 2 mean_value: 3"),
  );
  assert.equal(naming, "caffe", "the network is the same");
  const { mean, std, resize, crop } = checkpoint.preprocessing;
  assert.deepEqual([mean, std, resize, crop], [[1, 2, 3], [2, 2, 2], "none", 32]);
  const sized = withData("crop_size: 32", "image_data_param { new_height: 40 new_width: 36 }", "ImageData");
  assert.deepEqual((await open(sized)).checkpoint.preprocessing.resize, [36, 40]);
  assert.deepEqual((await open(sized)).checkpoint.preprocessing.mean, [0, 0, 0], "Caffe subtracts what it is told to");
});

test("where the test phase has no crop, that of the training phase is not the side", async () => {
  const { checkpoint, notes } = await open(withData("mean_value: 9"));
  assert.deepEqual([checkpoint.preprocessing.crop, checkpoint.preprocessing.mean], [32, [9, 9, 9]]);
  assert.match(notes.join("\n"), /32 by 32 pixels are assumed/);
});

/** A BlobProto as Caffe's compute_image_mean writes it. */
const binaryproto = (height: number, width: number, value: (i: number) => number) =>
  proto([
    ...([1, 3, height, width] as const).map((extent, i): [number, number] => [i + 1, extent]),
    [5, floats(...Array.from({ length: 3 * height * width }, (_, i) => value(i)))],
  ]);

test("a mean file is read for each pixel or each channel, and asked for where it is missing", async () => {
  const definition = withData('crop_size: 32 mean_file: "data/mean.binaryproto"');
  const weights = { where: "net.caffemodel", bytes: caffemodel };
  await refused(() => open(definition), "mean.binaryproto", "`mean`");
  const said = { where: "net.prototxt", bytes: text(definition) };
  assert.equal((await openFiles([said, weights], { isMeanSaid: true })).checkpoint.preprocessing.crop, 32);
  // The crop's place in a picture of 35 by 34: one pixel from the left (three are left over), one from the top.
  const mean = { where: "mean.binaryproto", bytes: binaryproto(34, 35, (i) => i) };
  const { checkpoint } = await open(definition, caffemodel, mean);
  const { resize, crop, meanImage } = checkpoint.preprocessing;
  assert.deepEqual([resize, crop], [[35, 34], 32]);
  const values = decodeMeanImage(meanImage!);
  assert.deepEqual([values.length, values[0], values[33], values[1024]], [3072, 36, 72, 1226]);
  const channels = { where: "m", bytes: binaryproto(1, 1, (i) => 10 * i) };
  assert.deepEqual((await open(definition, caffemodel, channels)).checkpoint.preprocessing.mean, [0, 10, 20]);
  // Beside the prototxt it is found.
  const folder = temporaryFolder();
  const paths = ["net.prototxt", "net.caffemodel", "mean.binaryproto"].map((name) => join(folder, name));
  for (const [i, bytes] of [text(definition), weights.bytes, mean.bytes].entries()) writeFileSync(paths[i]!, bytes);
  const found = await openPaths(paths.slice(0, 2));
  assert.deepEqual(found.checkpoint.preprocessing, checkpoint.preprocessing);
});

test("a classifier under another name, and 1,000 classes of an order that nobody knows", async () => {
  const renamed = plain.replaceAll('"classifier"', '"mine"');
  const mine = (count: number): Uint8Array => {
    const blob = (shape: number[]): Tensor => tensor(shape, new Float32Array(shape.reduce((a, b) => a * b)).fill(0.25));
    const others = layers.filter(({ name }) => name !== "classifier");
    const classifier = { name: "mine", type: "InnerProduct", blobs: [blob([count, 64]), blob([count])] };
    return bytesOf(encodeCaffemodel("small", [...others, classifier]));
  };
  const { checkpoint, naming } = await open(renamed, mine(3));
  assert.deepEqual([checkpoint.labels, naming], [["0", "1", "2"], undefined]);
  const many = await open(renamed.replace("num_output: 3 ", "num_output: 1000 "), mine(1000));
  assert.equal(many.checkpoint.labels[1], "1");
  assert.match(many.notes.join("\n"), /order.*not known.*`labels`/);
});

test("weights that nothing defines ask for their deploy prototxt", async () => {
  const foreign = bytesOf(
    encodeCaffemodel("x", [{ name: "c", type: "Convolution", blobs: [tensor([1], Float32Array.of(1))] }]),
  );
  await refused(() => openFiles([{ where: "x.caffemodel", bytes: foreign }]), "deploy prototxt");
});

/** The caffemodel as Caffe saves it: each layer with its definition. */
function saved(definition: string): Uint8Array {
  const blobs = new Map(layers.map((layer) => [layer.name, layer.blobs]));
  return bytesOf(
    encodeCaffemodel(
      "small",
      allOf(parsePrototxt(text(definition), "net"), "layer", "message").map((message) => ({
        name: oneOf(message, "name", "string", ""),
        type: oneOf(message, "type", "string", ""),
        bottoms: allOf(message, "bottom", "string"),
        tops: allOf(message, "top", "string"),
        blobs: blobs.get(oneOf(message, "name", "string", "")) ?? [],
        definition: message,
      })),
    ),
  );
}

test("what a caffemodel holds of its own definition is obeyed too, and a prototxt that says more before it", async () => {
  const training = (transform: string) =>
    plain.replace(
      input,
      `layer { name: "data" type: "Data" top: "data" phase: TRAIN transform_param { ${transform} } }`,
    );
  const own = saved(training("crop_size: 32 mean_value: 7 scale: 0.25"));
  const alone = await openFiles([{ where: "net.caffemodel", bytes: own }]);
  assert.deepEqual([alone.naming, alone.checkpoint.preprocessing.mean], ["caffe", [7, 7, 7]]);
  assert.match(alone.notes.join("\n"), /deploy prototxt/);
  // A deploy form says no mean: that of the training holds.
  const deployed = await open(plain, own);
  assert.deepEqual(
    [deployed.checkpoint.preprocessing.mean, deployed.checkpoint.preprocessing.std],
    [
      [7, 7, 7],
      [4, 4, 4],
    ],
  );
  assert.deepEqual((await open(withData("crop_size: 32 mean_value: 9"), own)).checkpoint.preprocessing.mean, [9, 9, 9]);
  // What only its training needed is no reason to refuse a network that is known.
  const odd = saved(`${training("crop_size: 32")}\nlayer { name: "extra" type: "Odd" bottom: "data" top: "extra" }`);
  const known = await openFiles([{ where: "net.caffemodel", bytes: odd }]);
  assert.equal(known.naming, "caffe");
  assert.match(known.notes.join("\n"), /its definition is not supported[^\n]*"Odd"/);
  // Its dilation is no matter of training.
  const dilated = saved(plain.replace(/(name: "conv2_1_3x3" [^\n]*)pad: 1/, "$1pad: 2 dilation: 2"));
  assert.equal((await openFiles([{ where: "net.caffemodel", bytes: dilated }])).naming, undefined);
});

test("pre-processing goes through our own files and others' as it is", async () => {
  const definition = withData('crop_size: 30 mean_file: "m.binaryproto" scale: 0.5');
  const mean = { where: "m.binaryproto", bytes: binaryproto(32, 32, (i) => i % 200) };
  const { checkpoint } = await open(definition, caffemodel, mean);
  assert.ok(checkpoint.preprocessing.meanImage !== undefined);
  for (const naming of ["senet", "timm", "caffe"]) {
    const bytes = bytesOf(encodeWeights(checkpoint, namingByName(naming)));
    const again = await openFiles([{ where: "again", bytes }]);
    assert.deepEqual(again.checkpoint.preprocessing, checkpoint.preprocessing, naming);
  }
});
