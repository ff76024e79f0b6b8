/** Finds the weights in a folder, and files that belong to weights. */

import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SenetError } from "../errors.ts";
import { readBytes } from "../files/files.node.ts";
import { distributed } from "../formats/foreign.ts";
import { type HubConfig, readHubConfig } from "../import/hub.ts";
import { decodeText } from "../text-file.ts";
import { isIndex, lastOf } from "./parts.ts";

/** Usual names of weights in folders of the Hugging Face Hub and of our runs, in order of preference. */
const usual = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
  "model.pth",
  "model.pt",
  "best.safetensors",
];
const isWeights = (name: string): boolean =>
  /\.(?:safetensors|pth|pth\.tar|pt|pkl|th|ckpt|bin|onnx|caffemodel|h5|hdf5|npz|params|mat|index)$/i.test(name);

/** The values of a TensorFlow checkpoint. */
const values = /\.data-\d{5}-of-\d{5}$/;

/**
 * The weights in a folder: a file with a usual name, or else the only one; the newest checkpoint in TensorFlow's
 * folders. A TensorFlow checkpoint given by its prefix or values stands for its index. Other paths are returned
 * unchanged.
 * @throws SenetError `usage` where there are none or several
 */
export async function weightsIn(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return (await isThere(`${path}.index`)) ? `${path}.index` : path;
  if (!found.isDirectory()) return values.test(path) ? path.replace(values, ".index") : path;
  return inFolder(path);
}

const isThere = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined;

async function inFolder(path: string): Promise<string> {
  const names = await readdir(path);
  const newest = names.includes("checkpoint") ? await newestIn(path) : undefined;
  if (newest !== undefined) return newest;
  const weights = names.filter(isWeights).sort();
  const indexes = names.filter((name) => isIndex(name));
  const found =
    usual.find((name) => names.includes(name)) ?? [indexes, weights].find(({ length }) => length === 1)?.[0];
  if (found !== undefined) return join(path, found);
  throw new SenetError("usage", "this folder does not say which weights are meant", {
    where: path,
    expected: `${usual.slice(0, 3).join(", ")}, or a single file of weights`,
    found:
      weights.length === 0
        ? "no file of weights"
        : weights.slice(0, 5).join(", ") + (weights.length > 5 ? ", ..." : ""),
    hint: names.some((name) => name.endsWith(".distcp")) ? distributed.hint! : "give the file itself",
  });
}

/** According to TensorFlow's list of checkpoints, whose paths may be outdated if the folder was moved. */
async function newestIn(folder: string): Promise<string | undefined> {
  const bytes = await readBytes(join(folder, "checkpoint"));
  if (bytes.length > 2 ** 20) return undefined;
  const path = /^model_checkpoint_path\s*:\s*"([^"\n]+)"/m.exec(decodeText(bytes))?.[1];
  return path === undefined ? undefined : join(folder, `${lastOf(path)}.index`);
}

/** Whether timm's `config.json` belongs to a file of this name, one that timm uses, whole or in parts. */
const isTimms = (name: string): boolean => /^(?:pytorch_)?model\b/.test(name);

/**
 * Reads timm's `config.json` next to a weight file; undefined if there is none for it.
 * @throws SenetError `weights` where it is invalid or not supported
 */
export async function hubBeside(weights: string): Promise<HubConfig | undefined> {
  const folder = dirname(weights);
  const where = join(folder, "config.json");
  const bytes = await readBytes(where).catch(() => undefined);
  if (bytes === undefined || bytes.length > 2 ** 24) return undefined;
  const isMeant = isTimms(basename(weights)) || (await readdir(folder)).filter(isWeights).length === 1;
  return isMeant ? readHubConfig(bytes, where) : undefined;
}
