/** Weight files of every format and naming open as the same network, and what is written reads back. */

import assert from "node:assert/strict";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SenetError } from "../src/errors.ts";
import { parseSafetensors } from "../src/formats/safetensors.ts";
import { encodeSafetensors } from "../src/formats/safetensors-write.ts";
import { imagenetPreprocessing, type Preprocessing } from "../src/images/preprocess.ts";
import { imagenetLabels } from "../src/import/imagenet-classes.ts";
import { namingByName } from "../src/import/rename.ts";
import { weightsAs } from "../src/import/write.ts";
import { encodeOnnx } from "../src/index.ts";
import { type Tensor, tensor } from "../src/tensor.ts";
import type { Checkpoint } from "../src/weights/checkpoint.ts";
import { encodeWeights } from "../src/weights/encode.ts";
import { inHalf, isHalved } from "../src/weights/half.ts";
import { openPaths, openWeights } from "../src/weights/open.node.ts";
import { openFiles } from "../src/weights/open.ts";
import type { OpenOptions } from "../src/weights/opened.ts";
import { inferenceGraph, model } from "../src/zoo/index.ts";
import { caffePrototxt } from "./caffe.ts";
import { temporaryFolder } from "./command.ts";
import { formulaWeights } from "./formula.ts";
import { assertClose, needsShared, sharedData } from "./support.ts";
import { type Fields, proto, refused } from "./weights.ts";

const odd: Preprocessing = {
  ...imagenetPreprocessing,
  channels: "bgr",
  scale: 1,
  mean: [1, 2, 3],
  std: [4, 5, 6],
  resize: 40,
  crop: 32,
};

function checkpoint(classes = 3): Checkpoint {
  const network = model("se-resnet-20", classes);
  const weights = formulaWeights(inferenceGraph(network, { batch: 1, imageSize: 32 }));
  const labels = Array.from({ length: classes }, (_, i) => `class ${i}`);
  return { model: network, labels, preprocessing: odd, weights };
}

const joined = (chunks: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(chunks));
const open = async (bytes: Uint8Array, options?: OpenOptions) => openFiles([{ bytes, where: "file" }], options);

/** As others write it: nothing of ours in the metadata. */
function bare(source: Checkpoint, naming: string): Uint8Array {
  const named = weightsAs(source, namingByName(naming));
  return named.kind === "tensors" ? joined(encodeSafetensors(named.tensors, new Map())) : assert.fail(naming);
}

for (const naming of ["senet", "mmcls", "timm", "caffe"]) {
  test(`${naming}: what is written opens as what it was, without options`, async () => {
    const source = checkpoint();
    const { checkpoint: found, naming: shown } = await open(joined(encodeWeights(source, namingByName(naming))));
    assert.deepEqual(found, source);
    assert.equal(shown, naming);
  });
}

test("float16: layers at half the size, vectors as they were, and how the weights were learnt", async () => {
  const training = { recipe: "imagenette-5@1", seed: 2, epoch: 5, epochs: 5, top1Error: 12.5 };
  const source = { ...checkpoint(), training };
  const whole = joined(encodeWeights(source, namingByName("senet")));
  const bytes = joined(encodeWeights(source, namingByName("senet"), isHalved));
  assert.ok(bytes.length < 0.62 * whole.length, `${bytes.length} of ${whole.length} bytes`);
  const { checkpoint: found } = await open(bytes);
  assert.deepEqual(found, { ...source, weights: inHalf(source.weights, "file") });
  for (const [name, { shape, data }] of source.weights) {
    assertClose(found.weights.get(name)!.data, data, shape.length > 1 ? 2 ** -11 : 0, name);
  }
  const huge = new Map([["conv1.weight", tensor([1, 1], Float32Array.of(65520))]]);
  assert.throws(() => inHalf(huge, "out"), /conv1\.weight: these weights do not fit float16[\s\S]*65520/);
});

test("a run's state stays behind", async () => {
  const run = { config: {}, state: {}, optimizer: new Map() };
  const { checkpoint: found } = await open(joined(encodeWeights({ ...checkpoint(), run }, namingByName("senet"))));
  assert.ok(!("run" in found));
});

test("a file that says nothing: the labels and the pre-processing that are usual under its names", async () => {
  const source = checkpoint(1000);
  const mmcls = (await open(bare(source, "mmcls"))).checkpoint;
  assert.deepEqual(mmcls.labels, imagenetLabels("sorted"));
  assert.deepEqual(mmcls.preprocessing, { ...imagenetPreprocessing, resize: 32, crop: 32 });
  assert.deepEqual(mmcls.weights, source.weights);

  // A caffemodel that follows the conventions has nothing of ours in its name.
  const caffe = namingByName("caffe");
  const usual = { labels: imagenetLabels("devkit"), preprocessing: caffe.preprocessing(source.model.config) };
  const bytes = joined(encodeWeights({ ...source, ...usual }, caffe));
  assert.ok(!new TextDecoder("latin1").decode(bytes.subarray(0, 200)).includes("senet."));
  const found = (await open(bytes)).checkpoint;
  assert.deepEqual(found.labels, usual.labels);
  assert.deepEqual(found.preprocessing, {
    channels: "bgr",
    scale: 1,
    mean: [104, 117, 123],
    std: [1, 1, 1],
    resize: 32,
    crop: 32,
    interpolation: "bilinear",
  });

  const few = (await open(bare(checkpoint(3), "timm"))).checkpoint;
  assert.deepEqual(few.labels, ["0", "1", "2"]);
});

test("labels that are given go before those of the file", async () => {
  const labels = ["ant", "bee", "cat"];
  for (const bytes of [bare(checkpoint(), "timm"), joined(encodeWeights(checkpoint(), namingByName("senet")))]) {
    assert.deepEqual((await open(bytes, { labels })).checkpoint.labels, labels);
    await usage(() => open(bytes, { labels: ["ant"] }), "labels do not fit", "3 labels", "1");
  }
});

test("float64 becomes float32", async () => {
  const source = checkpoint();
  const wide = new Map(
    [...source.weights].map(([name, { shape, data }]): [string, Tensor] => [
      name,
      tensor(shape, Float64Array.from(data)),
    ]),
  );
  const { checkpoint: found } = await open(joined(encodeSafetensors(wide, new Map())));
  assert.deepEqual(found.weights, source.weights);
});

test("Caffe's HDF5 snapshots open", async () => {
  const source = checkpoint();
  const caffe = weightsAs(source, namingByName("caffe"));
  assert.ok(caffe.kind === "layers");
  const { default: hdf5 } = await import("h5wasm");
  const { FS } = await hdf5.ready;
  const file = new hdf5.File("written.h5", "w");
  const data = file.create_group("data");
  for (const [name, { blobs }] of caffe.layers) {
    const group = name.split("/").reduce((at, part) => {
      const found = at.get(part);
      return found instanceof hdf5.Group ? found : at.create_group(part);
    }, data);
    for (const [i, blob] of blobs.entries()) {
      group.create_dataset({ name: `${i}`, data: blob.data as Float32Array, shape: [...blob.shape] });
    }
  }
  file.close();
  const { checkpoint: found, format } = await open(FS.readFile("written.h5"));
  assert.equal(format, "caffe-hdf5");
  assert.equal(found.model.name, "se-resnet-20");
  assert.deepEqual(found.weights, source.weights);
});

/** Asserts that it is refused as asked for wrongly, in these words. */
async function usage(run: () => unknown, ...words: string[]): Promise<void> {
  await assert.rejects(
    async () => run(),
    (error) => {
      assert.ok(error instanceof SenetError && error.code === "usage", `${error}`);
      for (const word of words) assert.ok(error.message.includes(word), `"${word}" is not in: ${error.message}`);
      return true;
    },
  );
}

const text = (content: string): Uint8Array => new TextEncoder().encode(content);

test("options that do not fit the file", async () => {
  const timm = bare(checkpoint(), "timm");
  await usage(() => open(timm, { from: "caffe" }), "cannot have the names of caffe", "layers of a Caffe network");
  await usage(() => open(timm, { from: "tim" }), 'no naming "tim"', "timm");
  await usage(() => open(timm, { model: "seresnet20" }), "se-resnet-20");
  await refused(() => open(timm, { from: "cadene" }), "the names look like those of", "missing");
  const own = joined(encodeWeights(checkpoint(), namingByName("senet")));
  await usage(() => open(own, { model: "se-resnet-50" }), "already says which model it holds", "`model` se-resnet-50");
  await usage(() => open(own, { from: "timm" }), "`from` timm");
  assert.equal((await open(own, { model: "se-resnet-20", from: "senet" })).checkpoint.model.name, "se-resnet-20");
});

test("files that are no weights, or no single network", async () => {
  await refused(() => open(text("<html><title>Sign in</title></html>")), "a web page", "Sign in");
  const nobodys = new Map([["encoder.weight", tensor([2], Float32Array.of(1, 2))]]);
  await refused(() => open(joined(encodeSafetensors(nobodys, new Map()))), "encoder.weight", "timm");
  const naming = namingByName("caffe");
  assert.ok(naming.style === "caffe");
  const graph = inferenceGraph(checkpoint().model, { batch: 1, imageSize: 32 });
  const prototxt = { bytes: text(caffePrototxt(graph, naming)), where: "net.prototxt" };
  await refused(() => openFiles([prototxt]), "net.prototxt", "without its weights", ".caffemodel");
  const timm = { bytes: bare(checkpoint(), "timm"), where: "a.safetensors" };
  await usage(() => openFiles([prototxt, timm]), "do not make one network", "prototxt and safetensors");
  await usage(() => openFiles([timm, timm]), "do not make one network");
  const caffe = { bytes: joined(encodeWeights(checkpoint(), namingByName("caffe"))), where: "net.caffemodel" };
  for (const files of [
    [prototxt, caffe],
    [caffe, prototxt],
  ]) {
    assert.equal((await openFiles(files)).naming, "caffe");
  }
});

test("an ONNX file of our own opens by its graph, folded or not", async () => {
  const { model: network, labels, preprocessing, weights } = checkpoint();
  const graph = inferenceGraph(network, { batch: 1, imageSize: 32 });
  const metadata = { model: JSON.stringify(network), labels: JSON.stringify(labels) };
  const bytes = encodeOnnx(graph, weights, { ...metadata, preprocessing: JSON.stringify(preprocessing) });
  const { checkpoint: found, preprocessingFrom } = await open(bytes);
  assert.deepEqual([found.labels, found.preprocessing, preprocessingFrom], [labels, preprocessing, "the file"]);
  assert.deepEqual(found.weights.get("conv1.weight"), weights.get("conv1.weight"));
});

test("labels and pre-processing that somebody broke are refused", async () => {
  const named = weightsAs(checkpoint(), namingByName("timm"));
  assert.ok(named.kind === "tensors");
  for (const [key, value] of [
    ["senet.labels", "[1]"],
    ["senet.preprocessing", "{}"],
  ] as const) {
    await refused(() => open(joined(encodeSafetensors(named.tensors, new Map([[key, value]])))), key);
  }
  const two = new Map([["senet.labels", '["a", "b"]']]);
  await refused(() => open(joined(encodeSafetensors(named.tensors, two))), "labels do not fit", "3 labels");
});

const resnet20 = "resnet20-12fca82f.th";
test("a published CIFAR network opens", needsShared("weights", resnet20), async () => {
  const { model: found, preprocessing } = await openWeights(sharedData("weights", resnet20));
  assert.deepEqual([found.name, found.classes], ["resnet-20-padshortcut", 10]);
  assert.deepEqual([preprocessing.crop, preprocessing.channels], [32, "rgb"]);
});

const caffe20 = ["res20_cifar_train_test.prototxt", "cifar10_res20_iter_64000.caffemodel"] as const;
test("a Caffe network of somebody's opens by its prototxt", needsShared("weights", caffe20[1]), async () => {
  const [prototxt, caffemodel] = caffe20.map((file) => sharedData("weights", file));
  // What it subtracts is in a file that was not released with it.
  await refused(() => openWeights([caffemodel!, prototxt!]), "mean.binaryproto");
  const folder = temporaryFolder();
  const mean = join(folder, "mean.binaryproto");
  const blob: Fields = [1, 3, 32, 32].map((extent, i) => [i + 1, extent] as const);
  writeFileSync(mean, proto([...blob, [5, new Uint8Array(new Float32Array(3 * 32 * 32).fill(120).buffer)]]));
  const found = await openWeights([caffemodel!, prototxt!, mean]);
  assert.deepEqual([found.model.config.family, found.model.classes], ["layers", 10]);
  assert.deepEqual([found.preprocessing.crop, found.preprocessing.channels], [32, "bgr"]);
  assert.equal(found.labels.length, 10);
  assert.deepEqual(
    [found.preprocessing.mean, found.preprocessing.resize],
    [
      [120, 120, 120],
      [32, 32],
    ],
  );
  const file = join(folder, "net.safetensors");
  writeFileSync(file, joined(encodeWeights(found, namingByName("senet"))));
  assert.deepEqual(await openWeights(file), found);
  await usage(async () => encodeWeights(found, namingByName("timm")), "has no names for", "senet");
});

/** Weights as timm puts them on the Hub: nothing of ours in them, and a config beside them. */
function hubFolder(config: object, weights = "model.safetensors"): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, weights), bare(checkpoint(), "timm"));
  const pretrained = { input_size: [3, 40, 40], crop_pct: 0.9, interpolation: "bilinear", mean: [0.5], std: [0.25] };
  const architecture = { architecture: "seresnet20", num_classes: 3, pretrained_cfg: pretrained };
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...architecture, ...config }));
  return folder;
}

test("a config.json beside weights is followed, for the file and for its folder", async () => {
  const folder = hubFolder({ label_names: ["ant", "bee", "cat"] });
  for (const path of [folder, join(folder, "model.safetensors")]) {
    const { checkpoint: found, preprocessingFrom, notes } = await openPaths(path);
    assert.deepEqual(found.labels, ["ant", "bee", "cat"]);
    assert.deepEqual(found.preprocessing, {
      ...{ channels: "rgb", scale: 255, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
      ...{ resize: 44, crop: 40, interpolation: "bilinear" },
    });
    assert.equal(preprocessingFrom, `${join(folder, "config.json")} beside it`);
    assert.deepEqual(notes, []);
  }
  renameSync(join(folder, "model.safetensors"), join(folder, "only.safetensors"));
  assert.equal((await openPaths(folder)).checkpoint.preprocessing.resize, 44);
  writeFileSync(join(folder, "other.pth"), "");
  assert.match((await openPaths(join(folder, "only.safetensors"))).preprocessingFrom, /usual under the names of timm/);
  await usage(() => openPaths(folder), "which weights are meant", "only.safetensors, other.pth");
});

test("a config.json given with weights in memory is followed; one of somebody else's is no part of a network", async () => {
  const folder = hubFolder({ label_names: ["ant", "bee", "cat"] });
  const files = ["config.json", "model.safetensors"].map((name) => ({
    bytes: new Uint8Array(readFileSync(join(folder, name))),
    where: name,
  }));
  const { checkpoint: found, preprocessingFrom } = await openFiles(files);
  assert.deepEqual([found.labels, found.preprocessing.resize], [["ant", "bee", "cat"], 44]);
  assert.equal(preprocessingFrom, "config.json beside it");
  const others = [{ bytes: Buffer.from('{"model_type": "bert"}'), where: "config.json" }, files[1]!];
  await refused(() => openFiles(others), "config.json", "JSON, not weights");
});

test("a config.json of other classes, of another network, or of none", async () => {
  const { checkpoint: found, notes } = await openPaths(hubFolder({ label_names: ["a", "b"], num_classes: 2 }));
  assert.deepEqual(found.labels, ["0", "1", "2"]);
  assert.match(notes.join(), /has 2 classes, but the network has 3/);
  await refused(() => openPaths(hubFolder({ architecture: "resnetaa50" })), "smooths", "resnetaa50");
  const others = hubFolder({ architecture: undefined, pretrained_cfg: undefined, model_type: "resnet" });
  assert.match((await openPaths(others)).preprocessingFrom, /usual under the names of timm/);
  await usage(() => openPaths(temporaryFolder()), "which weights are meant", "no file of weights");
});

test("a network that normalises by itself wants pictures for that", async () => {
  const { tensors } = parseSafetensors(bare(checkpoint(), "timm"), "bare");
  const wrapped = new Map([...tensors].map(([name, tensor]) => [`1.${name}`, tensor]));
  wrapped.set("0.mean", tensor([1, 3, 1, 1], Float32Array.of(125, 123, 114)));
  wrapped.set("0.std", tensor([1, 3, 1, 1], Float32Array.of(63, 62.1, 66.7)));
  const bytes = joined(encodeSafetensors(wrapped, new Map()));
  const { checkpoint: found, preprocessingFrom, notes } = await openFiles([{ bytes, where: "net.safetensors" }]);
  const { scale, mean, std, interpolation } = found.preprocessing;
  assert.deepEqual([scale, mean, std, interpolation], [1, [125, 123, 114], [63, 62.1, 66.7], "bicubic"]);
  assert.match(preprocessingFrom, /^the file, and the rest from what is usual under the names of timm/);
  assert.match(notes.join(), /by a deviation itself: "0\.mean", "0\.std"/);
});

test("a released file is known by its name, and says so", async () => {
  const plain = model("se-resnet-18");
  const network = { ...plain, config: { ...plain.config, branchRelu: true } } as Checkpoint["model"];
  const weights = formulaWeights(inferenceGraph(network, { batch: 1, imageSize: 32 }));
  const bytes = bare({ model: network, labels: [], preprocessing: odd, weights }, "cadene");
  const legacy = await openFiles([{ bytes, where: "seresnet18-4bb0ce65.pth" }]);
  assert.equal(legacy.checkpoint.preprocessing.interpolation, "bicubic");
  assert.equal(legacy.preprocessingFrom, "what legacy_seresnet18.in1k was released with");
  const other = await openFiles([{ bytes, where: "mine.pth" }]);
  assert.equal(other.checkpoint.preprocessing.interpolation, "bilinear");
});
