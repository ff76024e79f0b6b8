/**
 * Every reader on every prefix and on 10,000 mutations of a small sound file: a result or a SenetError, in bounded time
 * and memory. A failure names the case; `SENET_FUZZ=200` runs fewer mutations.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { golden } from "../../tests/support.ts";
import { bytesOf, floats, pickle, smallCaffemodel, smallHdf5, torchArchive } from "../../tests/weights.ts";
import { SenetError } from "../errors.ts";
import { parseCaffeHdf5 } from "../formats/caffe-hdf5.ts";
import { batchNormStatistics, parseCaffemodel } from "../formats/caffemodel.ts";
import { detectFormat } from "../formats/detect.ts";
import { parseOnnxInitialisers } from "../formats/onnx-initialisers.ts";
import { parsePrototxt } from "../formats/prototxt.ts";
import { encodeSafetensors, parseSafetensors } from "../formats/safetensors.ts";
import { parseTorch } from "../formats/torch.ts";
import { importOnnxNetwork } from "../import/onnx-network.ts";
import { createRandom, type Random } from "../random.ts";
import { type Tensor, tensor } from "../tensor.ts";

const mutations = Number(process.env.SENET_FUZZ ?? 10_000);

interface Reader {
  readonly name: string;
  readonly file: Uint8Array;
  /** All tensors of the result. */
  read(bytes: Uint8Array): Iterable<Tensor> | Promise<Iterable<Tensor>>;
}

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

const readers: readonly Reader[] = [
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

/** One to four changes, of bytes and of what stands where. */
function mutated(file: Uint8Array, random: Random): Uint8Array {
  let bytes = file.slice();
  const extremes = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(bytes.length + 1);
    const end = Math.min(bytes.length, at + 1 + random.below(16));
    switch (random.below(6)) {
      case 0:
        bytes[at] = random.below(256);
        break;
      case 1:
        bytes[at] = bytes[at]! ^ (1 << random.below(8));
        break;
      case 2:
        bytes.fill(extremes[random.below(extremes.length)]!, at, Math.min(end, at + 1 + random.below(8)));
        break;
      case 3: // some bytes go
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(end)]);
        break;
      case 4: // some come twice
        bytes = Uint8Array.from([...bytes.subarray(0, end), ...bytes.subarray(at)]);
        break;
      default: {
        // Some come from elsewhere in the file.
        const from = random.below(bytes.length + 1);
        bytes.copyWithin(at, from, from + (end - at));
      }
    }
  }
  return bytes;
}

/** @returns whether the file was read */
async function check(reader: Reader, bytes: Uint8Array, what: string): Promise<boolean> {
  const start = process.cpuUsage();
  let tensors: Iterable<Tensor> | undefined;
  try {
    tensors = await reader.read(bytes);
  } catch (error) {
    if (!(error instanceof SenetError)) throw new Error(`${what}: no SenetError`, { cause: error });
  }
  // Of the processor's time: how long a case waits for its turn depends on what else the machine does.
  const { user, system } = process.cpuUsage(start);
  const took = (user + system) / 1000;
  assert.ok(took < 2000, `${what}: took ${took} ms`);
  if (tensors === undefined) return false;
  const buffers = new Map<ArrayBufferLike, number>();
  for (const { shape, data } of tensors) {
    assert.equal(
      shape.reduce((size, extent) => size * extent, 1),
      data.length,
      `${what}: shape`,
    );
    buffers.set(data.buffer, data.buffer.byteLength);
  }
  const total = [...buffers.values()].reduce((sum, size) => sum + size, 0);
  assert.ok(total <= 10 * bytes.length + 2 ** 16, `${what}: ${total} bytes from ${bytes.length}`);
  return true;
}

function detect(bytes: Uint8Array, what: string): void {
  try {
    detectFormat(bytes, "fuzz");
  } catch (error) {
    if (!(error instanceof SenetError)) throw new Error(`${what}: detection threw no SenetError`, { cause: error });
  }
}

for (const [index, reader] of readers.entries()) {
  test(`${reader.name}: every prefix and ${mutations} mutations`, async () => {
    assert.ok(await check(reader, reader.file, "the sound file"), "the sound file is read");
    const before = process.memoryUsage.rss();
    for (let length = 0; length < reader.file.length; length++) {
      const what = `prefix ${length}`;
      const bytes = reader.file.slice(0, length);
      await check(reader, bytes, what);
      detect(bytes, what);
    }
    let read = 0;
    for (let i = 0; i < mutations; i++) {
      const what = `mutation ${i}`;
      const bytes = mutated(reader.file, createRandom(1, index, i));
      if (await check(reader, bytes, what)) read++;
      detect(bytes, what);
    }
    assert.ok(read < mutations, "mutations are found out");
    // Garbage that is not yet collected counts too; what a file could make grow without end would be far more.
    const grown = process.memoryUsage.rss() - before;
    assert.ok(grown < 2 ** 29, `memory grew by ${Math.round(grown / 2 ** 20)} MiB`);
  });
}
