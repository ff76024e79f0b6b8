import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { bundle, matlab5, mxnetParams, npy, npz } from "../../tests/ports.ts";
import { golden, needsShared, sharedData } from "../../tests/support.ts";
import { bytesOf, floats, proto, refused, smallCaffemodel, smallHdf5, torchArchive, zip } from "../../tests/weights.ts";
import { tensor } from "../tensor.ts";
import { detectFormat } from "./detect.ts";
import { formats, type WeightFormat } from "./formats.ts";
import { encodeSafetensors } from "./safetensors-write.ts";

const detect = (bytes: Uint8Array) => detectFormat(bytes, "some.file");
const ascii = (text: string) => new TextEncoder().encode(text);
const weights = new Map([["w", tensor([1], Float32Array.of(1))]]);

test("small files of every format", async () => {
  const files: readonly (readonly [WeightFormat, Uint8Array])[] = [
    ["safetensors", Buffer.concat(encodeSafetensors(weights, new Map()))],
    ["numpy", npy([1], floats(1))],
    ["numpy", npz([["conv0/W:0", npy([1], floats(1))]], 8)],
    ["mxnet", mxnetParams([], 2)],
    ["matlab", matlab5({})],
    ["tensorflow", bundle([]).index],
    ["torch", bytesOf(golden("weights", "zip.pth"))],
    ["torch", bytesOf(golden("weights", "legacy.pth"))],
    ["torch", torchArchive([0x7d], {})],
    ["caffemodel", smallCaffemodel()],
    ["caffemodel", smallCaffemodel().subarray(0, 40)],
    [
      "caffemodel",
      proto([
        [1, "old"],
        [2, [[4, "fc"]]],
      ]),
    ],
    ["caffemodel", proto([[100, [[1, "nameless network"]]]])],
    ["onnx", bytesOf(golden("weights", "small.onnx"))],
    ["onnx", bytesOf(golden("weights", "small.onnx")).subarray(0, 200)],
    ["caffe-hdf5", await smallHdf5({ "data/fc/0": { shape: [1], data: Float32Array.of(1) } })],
    ["prototxt", ascii('# a network\n\nname: "net"\nlayer { }')],
    ["prototxt", ascii("layer {\n}")],
  ];
  for (const [format, bytes] of files) assert.equal(detect(bytes), format);
  // Whatever it is called.
  for (const [format, bytes] of files) assert.equal(detectFormat(bytes, "model.bin"), format);
});

const real: Readonly<Record<string, WeightFormat>> = {
  "resnet20-12fca82f.th": "torch",
  "cifar10_res20_iter_64000.caffemodel": "caffemodel",
  "det2.caffemodel": "caffemodel",
  "det2.prototxt": "prototxt",
  "res20_cifar_train_test.prototxt": "prototxt",
};
for (const [name, format] of Object.entries(real)) {
  test(`${name} is ${format}`, needsShared("weights", name), () => {
    assert.equal(detect(bytesOf(sharedData("weights", name))), format);
  });
}

test("a safetensors header whose length looks like another format", () => {
  // 0x8b1f is gzip's magic number, 0x4b50 that of ZIP.
  for (const length of [0x8b1f, 0x4b50, 0x0280]) {
    const bytes = new Uint8Array(8 + length).fill(0x20);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
    bytes.set(ascii("{}"), 8);
    assert.equal(detect(bytes), "safetensors");
  }
});

test("what downloads bring instead is said plainly", async () => {
  const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 461488402\n";
  await refused(() => detect(new Uint8Array()), "some.file", "empty");
  await refused(() => detect(ascii(pointer)), "Git-LFS pointer", "461488402 bytes", "git lfs pull");
  await refused(() => detect(ascii("\ufeff\n<!DOCTYPE html><html><head><title>404 </title>")), "web page", '"404"');
  await refused(() => detect(ascii("<html>")), "web page");
  await refused(() => detect(ascii('<?xml version="1.0"?><Error>')), "web page");
  await refused(() => detect(Uint8Array.of(0xff, 0xd8, 0xff, 0xe0)), "a picture (JPEG)");
  await refused(() => detect(ascii('{"error": "Repository not found"}')), "server's error", "Repository not found");
  await refused(() => detect(gzipSync("weights")), "gzip", "gunzip");
  await refused(() => detect(ascii("BZh91AY")), "bzip2");
  const tar = new Uint8Array(512);
  tar.set(ascii("ustar"), 257);
  await refused(() => detect(tar), "tar archive");
  await refused(() => detect(Uint8Array.of(0xff, 0, 1, 2)), "no supported format", "4 bytes that begin ff 00 01 02");
  await refused(() => detect(ascii("Dear reader, hello")), "no supported format");
});

/** Of a kind of file, how it begins or what is in it. */
const archive = (...names: string[]) => zip(names.map((name) => ({ name, content: Buffer.of(1) })));
const node = (name: string, op: string) =>
  [
    1,
    [
      [1, name],
      [2, op],
    ],
  ] as const;
const foreign: readonly (readonly [is: string, bytes: Uint8Array, name?: string])[] = [
  ["an OpenVINO network", ascii('<?xml version="1.0"?>\n<net name="x" version="11">')],
  ["a TensorFlow.js model", ascii('{"format": "layers-model", "weightsManifest": []}')],
  ["a Keras model's definition", ascii('{"class_name": "Functional", "config": {}}')],
  ["the list of a TensorFlow folder's checkpoints", ascii('model_checkpoint_path: "model.ckpt-18"\n')],
  ["an ncnn network", ascii("7767517\n3 3\nInput data 0 1 data")],
  ["a Darknet definition", ascii("[net]\nbatch=1")],
  ["JSON, not weights", ascii('[{"a": 1}]')],
  ["a GGUF file", ascii("GGUF\u0003")],
  ["a TensorFlow Lite model", Uint8Array.of(0x1c, 0, 0, 0, ...ascii("TFL3"))],
  ["ONNX Runtime's own", Uint8Array.of(0x1c, 0, 0, 0, ...ascii("ORTM"))],
  ["an ExecuTorch program", Uint8Array.of(0x1c, 0, 0, 0, ...ascii("ET12"))],
  ["a TensorFlow checkpoint's values", Uint8Array.of(0, 1, 2), "m.data-00000-of-00001"],
  ["a Flax file", Uint8Array.of(0x81, 0xa6, ...ascii("params"), 0x80)],
  ["a Darknet file", Uint8Array.of(0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 125, 0, 0, 0, 0, 0, 0, 1, 2, 3)],
  ["a Torch7 file", Uint8Array.of(4, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0x56, 0x20, 0x31)],
  ["a TorchServe archive", archive("MAR-INF/MANIFEST.json", "model.pth")],
  ["a Keras model (.keras)", archive("metadata.json", "config.json", "model.weights.h5")],
  ["a Keras model (.keras)", archive("model/metadata.json", "model/model.weights.h5")],
  ["a Keras model (.keras)", archive("metadata.json", "model.weights.json", "model_00000.weights.h5")],
  ["a part of a PyTorch distributed checkpoint", archive("a/data.pkl"), "__0_0.distcp"],
  [
    "a part of a PyTorch distributed checkpoint",
    Uint8Array.of(0x80, 4, 0x8c, 30, ...ascii("torch.distributed.checkpoint.metadata")),
    ".metadata",
  ],
  ["a TorchScript program", archive("m/data.pkl", "m/constants.pkl", "m/code/__torch__.py")],
  ["a PyTorch exported program", archive("m/archive_format", "m/models/model.json", "m/data/weights/a")],
  ["a TensorFlow SavedModel", archive("m/saved_model.pb", "m/variables/variables.index")],
  ["a Core ML package", archive("m.mlpackage/Data/com.apple.CoreML/model.mlmodel")],
  ["a ZIP archive of files", archive("download/base.pth")],
  ["a ZIP archive of files", archive("a.caffemodel", "a.prototxt")],
  ["a ZIP archive without weights", archive("letter.doc")],
  ["a TensorFlow graph", proto([node("input", "Placeholder"), node("conv1/weights", "Const"), [4, [[1, 27]]]])],
  [
    "a TensorFlow SavedModel",
    proto([
      [1, 1],
      [
        2,
        [
          [1, [[4, "serve"]]],
          [2, [node("a", "Const")]],
        ],
      ],
    ]),
  ],
  [
    "a Core ML model",
    proto([
      [1, 4],
      [2, [[1, [[1, "image"]]]]],
      [500, [[1, "x"]]],
    ]),
  ],
  [
    "a Caffe2 network",
    proto([
      [1, "net"],
      [
        2,
        [
          [1, "x"],
          [2, "y"],
          [4, "Relu"],
        ],
      ],
    ]),
  ],
  ["a PaddlePaddle program", proto([[1, Uint8Array.of(8, 0, 16, 255, 255, 255, 255, 15)]])],
  ["a PaddlePaddle file (.pdparams)", pickled("StructuredToParameterName@@")],
  ["a pickled scikit-learn model", pickled("sklearn.svm")],
  ["a Python pickle of NumPy arrays", pickled("numpy.core.multiarray")],
  ["a Python pickle of NumPy arrays", ascii("(dp0\nS'a'\np1\ncnumpy.core.multiarray\n_reconstruct\n")],
  ["a Python pickle, which torch.save did not write", Uint8Array.of(0x80, 4, 0x95, 1)],
  ["zstd", Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)],
  ["a 7z archive", Uint8Array.of(0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c)],
  ["a RAR archive", ascii("Rar!\u001a")],
  ["PyTorch before 0.1.10", tarOf("sys_info", "pickle")],
  ["a tar archive", tarOf("weights.pth")],
  ["raw weights of OpenVINO", Uint8Array.of(255, 0, 1, 2), "ir.bin"],
];

function pickled(name: string): Uint8Array {
  return Uint8Array.of(0x80, 2, 0x7d, 0x71, 0, 0x63, ...ascii(`${name}\nx\n`), 0x2e);
}

function tarOf(...names: string[]): Uint8Array {
  const blocks = names.map((name) => {
    const block = new Uint8Array(1024);
    block.set(ascii(name));
    block.set(ascii("0000644\0"), 100);
    block.set(ascii("00000000012\0"), 124);
    block.set(ascii("ustar"), 257);
    return block;
  });
  return new Uint8Array(Buffer.concat(blocks));
}

for (const [is, bytes, name = "some.file"] of foreign) {
  test(`it is called by its name: ${is}`, async () => {
    const error = await refused(() => detectFormat(bytes, name), is);
    assert.ok(!error.message.includes("damaged"), error.message);
  });
}

test("Keras' and MATLAB's HDF5 are told from Caffe's", async () => {
  const keras = await smallHdf5({ "model_weights/conv/kernel:0": { shape: [1], data: Float32Array.of(1) } });
  await refused(() => detect(keras), "a Keras file (.h5)");
  const newer = await smallHdf5({ "layers/conv2d/vars/0": { shape: [1], data: Float32Array.of(1) } });
  await refused(() => detect(newer), "a Keras file (.weights.h5)");
  const matlab = new Uint8Array(512 + keras.length);
  matlab.set(ascii("MATLAB 7.3 MAT-file"));
  matlab.set(keras, 512);
  assert.equal(detect(matlab), "matlab");
});

test("the ports' real files are known by their content", needsShared("ports"), () => {
  const kinds: Readonly<Record<string, WeightFormat>> = {
    chainer: "numpy",
    matconvnet: "matlab",
    tensorflow: "tensorflow",
  };
  for (const [folder, format] of Object.entries(kinds)) {
    for (const file of readdirSync(sharedData("ports", folder), { recursive: true, encoding: "utf8" })) {
      if (!/\.(?:model|optimizer|npz|mat|index)$/.test(file)) continue;
      assert.equal(detectFormat(bytesOf(sharedData("ports", folder, file)), file), format, file);
    }
  }
});

test("the table has a row for each format, and what is read is said as it stands there", async () => {
  const names = formats.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  const titles = [
    "safetensors",
    "NumPy (npy, npz)",
    "MXNet (params, symbol.json)",
    "MATLAB (MatConvNet's mat)",
    "TensorFlow (checkpoints of version 2)",
    "PyTorch",
    "Caffe (caffemodel, prototxt, HDF5)",
    "ONNX",
  ];
  assert.deepEqual([...new Set(formats.map(({ title }) => title))], titles);
  await refused(() => detect(Uint8Array.of(0xff, 0, 1, 2)), titles.join(", "));
});

test("each row reads what it detects", async () => {
  const files: Readonly<Record<WeightFormat, Uint8Array>> = {
    safetensors: Buffer.concat(encodeSafetensors(weights, new Map([["key", "value"]]))),
    numpy: npz([["W", npy([1], floats(1))]]),
    mxnet: mxnetParams([{ name: "arg:w", shape: [1], data: floats(1) }], 1),
    "mxnet-symbol": ascii('{"nodes": [{"op": "null", "name": "data", "inputs": []}], "heads": [[0, 0, 0]]}'),
    matlab: matlab5({ net: { structs: [{ layers: { cell: [] } }] } }),
    tensorflow: bundle([]).index,
    torch: bytesOf(golden("weights", "zip.pth")),
    "caffe-hdf5": await smallHdf5({ "data/fc/0": { shape: [1], data: Float32Array.of(1) } }),
    onnx: bytesOf(golden("weights", "small.onnx")),
    caffemodel: smallCaffemodel(),
    binaryproto: proto([[5, { float: 1 }]]),
    prototxt: ascii('name: "net"'),
  };
  const kinds: Record<string, string> = {};
  for (const { name, read } of formats) {
    const content = await read({ bytes: files[name], where: "some.file", beside: async () => new Uint8Array() });
    kinds[name] = content.kind;
    if (content.kind === "tensors" && name !== "tensorflow") assert.ok(content.tensors.size > 0, name);
    if (content.kind === "layers") assert.ok(content.layers.length > 0, name);
    if (name === "safetensors") assert.deepEqual(content.kind === "tensors" && content.metadata?.get("key"), "value");
  }
  assert.deepEqual(kinds, {
    ...{
      safetensors: "tensors",
      numpy: "tensors",
      mxnet: "tensors",
      matlab: "matconvnet",
      tensorflow: "tensors",
      torch: "tensors",
      onnx: "tensors",
      caffemodel: "layers",
      "caffe-hdf5": "layers",
    },
    ...{ binaryproto: "mean", prototxt: "definition", "mxnet-symbol": "symbol" },
  });
});
