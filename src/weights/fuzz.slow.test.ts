/**
 * Every reader on every prefix and on 10,000 mutations of a small sound file (tests/fuzz.ts); `SENET_FUZZ=200` runs
 * fewer mutations.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Fuzzed, fuzz } from "../../tests/fuzz.ts";
import { portReaders } from "../../tests/fuzz-ports.ts";
import { golden } from "../../tests/support.ts";
import { bytesOf, floats, pickle, smallCaffemodel, smallHdf5, torchArchive } from "../../tests/weights.ts";
import { parseCaffeHdf5 } from "../formats/caffe-hdf5.ts";
import { batchNormStatistics, parseCaffemodel } from "../formats/caffemodel.ts";
import { parseOnnxInitialisers } from "../formats/onnx-initialisers.ts";
import { parsePrototxt } from "../formats/prototxt.ts";
import { parseSafetensors } from "../formats/safetensors.ts";
import { encodeSafetensors } from "../formats/safetensors-write.ts";
import { parseTorch } from "../formats/torch.ts";
import { importOnnxNetwork } from "../import/onnx-network.ts";
import { tensor } from "../tensor.ts";

const mutations = Number(process.env.SENET_FUZZ ?? 10_000);

const text = `# a network
name: "small" input: 'data' input_dim: [1, 3] input_dim: 0x20
layer { name: "conv\\057\\303\\274" type: "Convolution" bottom: "data" convolution_param { num_output: 8, bias_term: false } }
layer: < input_param: { shape: { dim: 1 dim: -1 } } eps: 1.5e-5f pool: MAX; >
`;

const twoTensors = pickle.dict([
  ["module.w", pickle.tensor(pickle.storage("FloatStorage", "0", 6), 0, [3, 2], [1, 3])],
  ["module.b", pickle.tensor(pickle.storage("HalfStorage", "1", 2), 0, [2], [1])],
]);
const storages = { 0: floats(1, 2, 3, 4, 5, 6), 1: Uint8Array.of(0, 60, 0, 192) };

const safetensors = encodeSafetensors(
  new Map([
    ["fc.weight", tensor([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6))],
    ["n", tensor([], Int32Array.of(7))],
  ]),
  new Map([["labels", '["a"]']]),
);

const readTorch = async (bytes: Uint8Array) => (await parseTorch(bytes, "fuzz")).tensors.values();

const readers: readonly Fuzzed[] = [
  {
    name: "safetensors",
    file: Buffer.concat(safetensors),
    read: (bytes) => parseSafetensors(bytes, "fuzz").tensors.values(),
  },
  {
    name: "caffemodel",
    file: smallCaffemodel(),
    read(bytes) {
      const { layers } = parseCaffemodel(bytes, "fuzz");
      const norms = layers.filter(({ type }) => type === "BatchNorm").map((layer) => batchNormStatistics(layer));
      return [...layers.flatMap(({ blobs }) => blobs), ...norms.flatMap(({ mean, variance }) => [mean, variance])];
    },
  },
  {
    name: "prototxt",
    file: new TextEncoder().encode(text),
    read(bytes) {
      parsePrototxt(bytes, "fuzz");
      return [];
    },
  },
  { name: "torch, zip", file: torchArchive(twoTensors, storages), read: readTorch },
  { name: "torch, deflated", file: torchArchive(twoTensors, storages, 8), read: readTorch },
  { name: "torch, old", file: bytesOf(golden("weights", "legacy.pth")), read: readTorch },
  {
    name: "torch, all that is saved, zip",
    file: bytesOf(golden("weights", "torch-everything-zip-5.pth")),
    read: readTorch,
  },
  {
    name: "torch, all that is saved, old",
    file: bytesOf(golden("weights", "torch-everything-old-1.pth")),
    read: readTorch,
  },
  { name: "torch, a module", file: bytesOf(golden("weights", "torch-module-old.pth")), read: readTorch },
  {
    name: "onnx, a graph",
    file: bytesOf(golden("weights", "onnx-folded.onnx")),
    read: (bytes) => importOnnxNetwork(parseOnnxInitialisers(bytes, "fuzz"), "fuzz").weights.values(),
  },
  {
    name: "onnx",
    file: bytesOf(golden("weights", "small.onnx")),
    read: (bytes) => parseOnnxInitialisers(bytes, "fuzz").tensors.values(),
  },
  {
    name: "hdf5",
    file: await smallHdf5({
      "data/conv/1/0": { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
      "data/fc/0": { shape: [1], data: Float64Array.of(5) },
    }),
    read: async (bytes) => [...(await parseCaffeHdf5(bytes, "fuzz")).values()].flat(),
  },
];

for (const [seed, reader] of [...readers, ...portReaders].entries()) {
  test(`${reader.name}: every prefix and ${mutations} mutations`, async () => {
    const before = process.memoryUsage.rss();
    // Of a longer file every prefix would take its time, and tell no more.
    await fuzz(reader, seed, mutations, Math.ceil(reader.file.length / 5000));
    // Garbage that is not yet collected counts too; what a file could make grow without end would be far more.
    const grown = process.memoryUsage.rss() - before;
    assert.ok(grown < 2 ** 29, `memory grew by ${Math.round(grown / 2 ** 20)} MiB`);
  });
}
