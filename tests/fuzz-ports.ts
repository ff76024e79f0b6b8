/** The readers of the ports' formats, with small files for the fuzzer. */

import { parseMxnetParams } from "../src/formats/mxnet.ts";
import { parseNumpy } from "../src/formats/numpy.ts";
import type { Fuzzed } from "./fuzz.ts";
import { mxnetParams, npy, npz } from "./ports.ts";
import { floats } from "./weights.ts";

const arrays: readonly (readonly [string, Uint8Array])[] = [
  ["conv0/W:0", npy([1, 2, 1, 3], floats(1, 2, 3, 4, 5, 6), { fortran: true })],
  ["N", npy([], Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), { descr: "<i8" })],
  ["half", npy([2], Uint8Array.of(0x3c, 0, 0x40, 0), { descr: ">f2", version: 2 })],
];
const readNumpy = async (bytes: Uint8Array) => (await parseNumpy(bytes, "fuzz")).tensors.values();

export const portReaders: readonly Fuzzed[] = [
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
];
