/** The readers of the ports' formats, with small files for the fuzzer. */

import { matconvnetIn } from "../src/formats/matconvnet.ts";
import { parseMatlab5 } from "../src/formats/matlab5.ts";
import { parseMatlab73 } from "../src/formats/matlab73.ts";
import { parseMxnetParams } from "../src/formats/mxnet.ts";
import { parseMxnetSymbol } from "../src/formats/mxnet-symbol.ts";
import { parseNumpy } from "../src/formats/numpy.ts";
import { parseTensorflow } from "../src/formats/tensorflow.ts";
import { importMatconvnet } from "../src/import/matconvnet-network.ts";
import { importMxnet } from "../src/import/mxnet-network.ts";
import type { Fuzzed } from "./fuzz.ts";
import { type MxnetOp, mxnetSymbol } from "./mxnet-symbol.ts";
import { bundle, type MatSource, matlab5, matlab73, mxnetParams, npy, npz } from "./ports.ts";
import { floats } from "./weights.ts";

const arrays: readonly (readonly [string, Uint8Array])[] = [
  ["conv0/W:0", npy([1, 2, 1, 3], floats(1, 2, 3, 4, 5, 6), { fortran: true })],
  ["N", npy([], Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), { descr: "<i8" })],
  ["half", npy([2], Uint8Array.of(0x3c, 0, 0x40, 0), { descr: ">f2", version: 2 })],
];
const readNumpy = async (bytes: Uint8Array) => (await parseNumpy(bytes, "fuzz")).tensors.values();

const net: Readonly<Record<string, MatSource>> = {
  layers: {
    structs: [
      {
        name: { text: "c" },
        type: { text: "dagnn.Conv", utf16: true },
        inputs: { cell: [{ text: "data" }] },
        outputs: { cell: [{ text: "x" }] },
        params: { cell: [{ text: "f" }] },
        block: { structs: [{ stride: { numbers: [2, 2], stored: "u8" } }] },
      },
    ],
  },
  params: {
    structs: [{ name: { text: "f" }, value: { numbers: [1, 2, 3, 4, 5, 6], shape: [1, 2, 3], single: true } }],
  },
};
const struct = (fields: Readonly<Record<string, MatSource>>): MatSource => ({ structs: [fields] });
/** A SimpleNN, which is imported whole. */
const chain = struct({
  layers: {
    cell: [
      struct({
        type: { text: "conv" },
        weights: { cell: [{ numbers: [1, 2, 3, 4, 5, 6], shape: [1, 1, 3, 2], single: true }, { numbers: [1, 2] }] },
        pad: { numbers: [1, 0, 0, 1], stored: "u8" },
      }),
      struct({ type: { text: "relu" } }),
      struct({ type: { text: "pool" }, method: { text: "avg" }, pool: { numbers: [5, 5] } }),
      struct({ type: { text: "softmaxloss" } }),
    ],
  },
  meta: struct({ inputSize: { numbers: [4, 4, 3] } }),
});
const readMatlab = async (bytes: Uint8Array) => matconvnetIn(await parseMatlab5(bytes, "fuzz"), "fuzz").params.values();

const checkpoint = (snappy: boolean) =>
  bundle(
    [
      { name: "conv2d/kernel", shape: [1, 1, 2, 3], data: floats(1, 2, 3, 4, 5, 6) },
      { name: "conv2d_1/kernel", shape: [2], data: floats(7, 8) },
      { name: "text", shape: [], data: Uint8Array.of(1, 65), dtype: 7 },
    ],
    { snappy, entriesInBlock: 2 },
  );
const readBundle = (data: Uint8Array) => async (bytes: Uint8Array) =>
  (await parseTensorflow(bytes, "fuzz.index", async () => data)).tensors.values();

const symbolOps: readonly MxnetOp[] = [
  { name: "bn", op: "BatchNorm", inputs: ["data"], options: { eps: "2e-05" } },
  { name: "c", op: "Convolution", inputs: ["bn"], options: { num_filter: "4", kernel: "(3, 1)", pad: "(1, 0)" } },
  { name: "p", op: "Pooling", inputs: ["c"], options: { kernel: "(7, 7)", global_pool: "True", pool_type: "avg" } },
  { name: "f", op: "FullyConnected", inputs: ["p"], options: { num_hidden: "4" } },
  { name: "r", op: "Reshape", inputs: ["f"], options: { shape: "(-1, 4, 1, 1)" } },
  { name: "m", op: "broadcast_mul", inputs: ["c", "r"] },
  { name: "g", op: "FullyConnected", inputs: ["m"], options: { num_hidden: "2" } },
];

const readers: readonly Omit<Fuzzed, "saysAll">[] = [
  { name: "npy", file: arrays[0]![1], read: readNumpy },
  { name: "npz", file: npz(arrays), read: readNumpy },
  { name: "npz, deflated", file: npz(arrays, 8), read: readNumpy },
  ...([0, 1, 2, 3] as const).map((version) => ({
    name: `params, version ${version}`,
    file: mxnetParams(
      [
        { name: "arg:w", shape: [3, 1, 2], data: floats(1, 2, 3, 4, 5, 6) },
        { name: "aux:h", shape: [2], data: Uint8Array.of(0, 0x3c, 0, 0x40), type: 2 },
      ],
      version,
    ),
    read: (bytes: Uint8Array) => parseMxnetParams(bytes, "fuzz").values(),
  })),
  {
    name: "symbol.json",
    file: mxnetSymbol(symbolOps, "0.11"),
    // Without weights: those that it names would hide what it says.
    read: (bytes: Uint8Array) => importMxnet(parseMxnetSymbol(bytes, "fuzz"), undefined, "fuzz", 16).weights.values(),
  },
  { name: "mat, version 5", file: matlab5(net), read: readMatlab },
  { name: "mat, compressed", file: matlab5(net, true), read: readMatlab },
  {
    name: "mat, a SimpleNN",
    file: matlab5({ net: chain }),
    read: async (bytes: Uint8Array) =>
      importMatconvnet(matconvnetIn(await parseMatlab5(bytes, "fuzz"), "fuzz"), "fuzz").weights.values(),
  },
  {
    name: "mat, version 7.3",
    file: await matlab73(),
    read: async (bytes: Uint8Array) => matconvnetIn(await parseMatlab73(bytes, "fuzz"), "fuzz").params.values(),
  },
  ...[false, true].map((snappy) => {
    const { index, data } = checkpoint(snappy);
    return { name: `checkpoint, ${snappy ? "Snappy" : "bare"}`, file: index, read: readBundle(data) };
  }),
  {
    name: "checkpoint, its values",
    file: checkpoint(false).data,
    read: async (bytes: Uint8Array) =>
      (await parseTensorflow(checkpoint(false).index, "fuzz.index", async () => bytes)).tensors.values(),
  },
];

export const portReaders: readonly Fuzzed[] = readers.map((reader) => ({ ...reader, saysAll: true }));
