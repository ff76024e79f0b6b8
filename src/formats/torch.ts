/**
 * Reads files of `torch.save`, old (a sequence of pickles, then the storages) and new (a ZIP archive), without
 * executing anything: whatever is not needed for tensors stays inert.
 *
 * Formats: https://github.com/pytorch/pytorch/blob/main/torch/serialization.py.
 */

import type { Tensor } from "../tensor.ts";
import { type Fail, failAt, fetchAgain, shownName } from "./bytes.ts";
import { unpickle } from "./pickle.ts";
import { PickleDict, type PickleValue } from "./pickle-values.ts";
import { chooseState, labelsIn, type SaidLabels } from "./torch-state.ts";
import { type Made, materialise, type Storage, type Storages } from "./torch-tensors.ts";
import { TorchHost } from "./torch-values.ts";
import { readZip, type ZipEntry, zipContent } from "./zip.ts";

export interface TorchFile {
  readonly tensors: Map<string, Tensor>;
  /** All class names stored with the weights. */
  readonly labels: readonly SaidLabels[];
  /** What was chosen. */
  readonly notes: readonly string[];
}

/**
 * The tensors of a `.pth`, `.pt`, `.th`, `.ckpt` or `.pkl` file: of its state_dict, under any key, or of its module.
 *
 * float32, float64 and int32 are views of `bytes` if aligned and contiguous; float16 and bfloat16 are widened to
 * float32, int64 is narrowed to int32, smaller integers and booleans are widened to it. Strides are supported.
 * @param where the file's name, for errors
 * @param state key of the weights to use if a file has several; default: a moving average, or else the first
 * @throws SenetError `weights` (as a rejection) where the file is damaged or has no named tensors; `usage` where
 * nothing is under `state`
 */
export async function parseTorch(bytes: Uint8Array, where: string, state?: string): Promise<TorchFile> {
  const isZip = bytes.length >= 4 && bytes[0] === 0x50 && bytes[1] === 0x4b;
  // Widening turns one byte into four, and inflating adds some; a file that needs far more is malicious.
  const made: Made = { left: 9 * bytes.length + 2 ** 24 };
  const { value, storages, dangers } = isZip ? await readArchive(bytes, where, made) : readLegacy(bytes, where);
  const chosen = chooseState(value, where, failAt(where), state);
  const tensors = new Map<string, Tensor>();
  for (const [name, tensor] of chosen.state.tensors()) {
    tensors.set(name, materialise(tensor, storages, made, failAt(`${where}: tensor ${shownName(name)}`)));
  }
  const warnings = [...dangers].map(
    (name) =>
      `it asks Python to call ${shownName(name)}: nothing of it was run here, but do not load it with torch.load`,
  );
  return { tensors, labels: labelsIn(value), notes: [...chosen.notes, ...warnings] };
}

/** The magic number of `torch.save` before 1.6, as a pickle of any protocol. */
const legacyMagic = 0x1950a86a20f9469cfc6cn;
const magicBytes: readonly number[] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const magicLine = `L${legacyMagic}L\n.`;

/** Whether the file starts like those of `torch.save` before 1.6. */
export function isLegacyTorch(bytes: Uint8Array): boolean {
  // After PROTO, and the FRAME of protocols 4 and 5.
  const starts = [2, 11];
  const isLong = starts.some(
    (start) =>
      bytes[0] === 0x80 && bytes[start] === 0x8a && magicBytes.every((byte, i) => bytes[start + 2 + i] === byte),
  );
  return isLong || [...magicLine].every((character, i) => bytes[i] === character.charCodeAt(0));
}

interface Contents {
  readonly value: PickleValue;
  readonly storages: Storages;
  readonly dangers: ReadonlySet<string>;
}

function readLegacy(bytes: Uint8Array, where: string): Contents {
  const fail: Fail = (what, details) => failAt(where)(what, { hint: fetchAgain, ...details });
  if (!isLegacyTorch(bytes)) {
    fail("this is not a file of PyTorch's", { expected: "a ZIP archive, or the magic number of torch.save" });
  }
  const host = new TorchHost();
  const start = unpickle(bytes, 0, host, fail);
  const protocol = unpickle(bytes, start.end, host, fail);
  if (protocol.value !== 1001) {
    const found = typeof protocol.value === "number" ? `${protocol.value}` : typeof protocol.value;
    fail("the file's protocol is not known", { expected: "1001", found });
  }
  const system = unpickle(bytes, protocol.end, host, fail);
  if (!(system.value instanceof PickleDict) || system.value.get("little_endian") !== true) {
    fail("the file was not written on a little-endian machine", { hint: "load it there and save it as safetensors" });
  }
  const content = unpickle(bytes, system.end, host, fail);
  const keys = unpickle(bytes, content.end, host, fail);
  const { value: keyList } = keys;
  if (!Array.isArray(keyList) || !keyList.every((key) => typeof key === "string")) {
    return fail("the list of storages is damaged");
  }
  const storages = new Map<string, Storage>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = keys.end;
  for (const key of keyList) {
    // Without its type, a storage's length in bytes is unknown; torch.save only writes storages that it refers to.
    const element = host.storages.get(key);
    if (element === undefined || storages.has(key)) return fail(`the storage ${shownName(key)} is not one of a tensor`);
    const length = bytes.length - position >= 8 ? Number(view.getBigUint64(position, true)) : undefined;
    const start = position + 8;
    if (length === undefined || length > (bytes.length - start) / element.bytes) {
      return fail(`the storage ${shownName(key)} is cut short`, {
        expected: `at most ${Math.max(0, bytes.length - start)} bytes`,
        found: length === undefined ? "no length" : `${length} elements of ${element.bytes} bytes`,
      });
    }
    position = start + length * element.bytes;
    storages.set(key, { bytes: bytes.subarray(start, position) });
  }
  if (position !== bytes.length) {
    fail("there are bytes after the last storage", { expected: `${position} bytes`, found: `${bytes.length}` });
  }
  return { value: content.value, storages, dangers: host.dangers };
}

async function readArchive(bytes: Uint8Array, where: string, made: Made): Promise<Contents> {
  const fail: Fail = (what, details) => failAt(where)(what, { hint: fetchAgain, ...details });
  const entries = readZip(bytes, where);
  const names = [...entries.keys()].filter((name) => name === "data.pkl" || name.endsWith("/data.pkl"));
  const [pickleName] = names;
  if (pickleName === undefined || names.length > 1) {
    return fail("this archive is not one of PyTorch's", {
      expected: "one entry NAME/data.pkl",
      found: names.length > 1 ? names.slice(0, 3).map(shownName).join(", ") : `${entries.size} other entries`,
    });
  }
  const root = pickleName.slice(0, -"data.pkl".length);
  const contentOf = async (entry: ZipEntry): Promise<Uint8Array> => {
    const content = await zipContent(entry, made.left, where);
    if (!entry.isStored) made.left -= content.length;
    return content;
  };
  const order = entries.get(`${root}byteorder`);
  if (order !== undefined && String.fromCharCode(...(await contentOf(order)).subarray(0, 10)) !== "little") {
    fail("the file was not written on a little-endian machine", { hint: "load it there and save it as safetensors" });
  }
  const pickle = await contentOf(entries.get(pickleName)!);
  const host = new TorchHost();
  const { value, end } = unpickle(pickle, 0, host, fail);
  if (end !== pickle.length) fail("there are bytes after the pickle", { found: `${pickle.length - end}` });
  const storages = new Map<string, Storage>();
  for (const [name, entry] of entries) {
    const key = name.startsWith(`${root}data/`) ? name.slice(root.length + "data/".length) : undefined;
    if (key !== undefined) storages.set(key, { bytes: await contentOf(entry) });
  }
  return { value, storages, dangers: host.dangers };
}
