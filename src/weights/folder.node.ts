/** Folders that are given for the weights in them, and what stands beside weights. */

import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SenetError } from "../errors.ts";
import { readBytes } from "../files/files.node.ts";
import { type HubConfig, readHubConfig } from "../import/hub.ts";
import { decodeText } from "../text-file.ts";
import { isIndex } from "./parts.node.ts";

/** What weights are called in the folders of the Hugging Face Hub, and in those of our runs; the first that is there is taken. */
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

/** TensorFlow's: the values of a checkpoint. */
const values = /\.data-\d{5}-of-\d{5}$/;

/**
 * The weights in a folder: those of a usual name, or else the only ones; of TensorFlow's folders the newest checkpoint. A
 * checkpoint of TensorFlow's by its prefix or its values is its index. A path of anything else stays as it is.
 * @throws SenetError `usage` where there are none, or several
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
    hint: "give the file itself",
  });
}

/** By TensorFlow's list of a folder's checkpoints; whoever moved the folder did not change the path in it. */
async function newestIn(folder: string): Promise<string | undefined> {
  const bytes = await readBytes(join(folder, "checkpoint"));
  if (bytes.length > 2 ** 20) return undefined;
  const path = /^model_checkpoint_path\s*:\s*"([^"\n]+)"/m.exec(decodeText(bytes))?.[1];
  return path === undefined ? undefined : join(folder, `${path.split(/[/\\]/).at(-1)!}.index`);
}

/** It is meant for a file of one of the names that timm gives, whole or in parts, or for the only weights of its folder. */
const isTimms = (name: string): boolean => /^(?:pytorch_)?model\b/.test(name);

/**
 * What timm's `config.json` beside a file of weights says of them; undefined: there is none that is meant for it.
 * @throws SenetError `weights` where it cannot be followed
 */
export async function hubBeside(weights: string): Promise<HubConfig | undefined> {
  const folder = dirname(weights);
  const where = join(folder, "config.json");
  const bytes = await readBytes(where).catch(() => undefined);
  if (bytes === undefined || bytes.length > 2 ** 24) return undefined;
  const isMeant = isTimms(basename(weights)) || (await readdir(folder)).filter(isWeights).length === 1;
  return isMeant ? readHubConfig(decodeText(bytes), where) : undefined;
}
