/** Which of the files given together belong to one model: parts and their index, and values and settings next to weights. */

import { type Fail, failAt, shownName } from "../formats/bytes.ts";
import { detectFormat } from "../formats/detect.ts";
import { externalFiles } from "../formats/onnx-initialisers.ts";
import { dataFilesOf, isTensorflowIndex, parseTensorflowIndex } from "../formats/tensorflow.ts";
import { readHubConfig } from "../import/hub.ts";
import { decodeText } from "../text-file.ts";
import type { WeightFile } from "./source.ts";

/** More than the largest models have. */
const mostParts = 1000;

/** `model-00001-of-00002.safetensors` */
const part = /^(.+)-(\d{5})-of-(\d{5})(\.(?:safetensors|bin|pth|pt))$/;
const index = /\.\w+\.index(?:\.\w+)?\.json$/i;

/** Whether a file of this name is the index of a model in several files; of a variant too (`.index.fp16.json`). */
export const isIndex = (name: string): boolean => index.test(name);

/** The model's name in the name of a part or an index; undefined for other files. */
export const modelOf = (name: string): string | undefined =>
  part.exec(name)?.[1] ?? (isIndex(name) ? name.replace(index, "") : undefined);

/** The names of all files of a model, and of its tensors if an index says them. */
export interface PartNames {
  readonly files: readonly string[];
  readonly tensors?: readonly string[];
}

/**
 * @param name of a part or an index, whose bytes these are
 * @returns undefined for other files
 * @throws SenetError `weights` where the index is damaged
 */
export function partNames(name: string, bytes: Uint8Array, fail: Fail): PartNames | undefined {
  const found = part.exec(name);
  if (found !== null) {
    const [, model, , total = "", extension] = found;
    const count = Number(total);
    if (count > mostParts) fail(`the model is in more than ${mostParts} files`);
    const number = (i: number) => `${i + 1}`.padStart(5, "0");
    return { files: Array.from({ length: count }, (_, i) => `${model}-${number(i)}-of-${total}${extension}`) };
  }
  return isIndex(name) ? indexed(bytes, fail) : undefined;
}

/** `{ "weight_map": { TENSOR: FILE, ... } }` */
function indexed(bytes: Uint8Array, fail: Fail): PartNames {
  let content: unknown;
  try {
    content = JSON.parse(decodeText(bytes));
  } catch (cause) {
    return fail("the index is not JSON", { cause });
  }
  const map = (content as { readonly weight_map?: unknown } | null)?.weight_map;
  const isMap = typeof map === "object" && map !== null && Object.values(map).every((file) => typeof file === "string");
  if (!isMap) return fail("the index does not say which tensor is in which file", { expected: "a weight_map" });
  const entries = Object.entries(map as Record<string, string>);
  const files = [...new Set(entries.map(([, file]) => file))];
  if (files.length === 0 || files.length > mostParts) fail(`the index names ${files.length} files`);
  return { files, tensors: entries.map(([tensor]) => tensor) };
}

/** @throws SenetError `weights` that names the files that are not there */
export function checkComplete(names: readonly string[], isThere: (name: string) => boolean, fail: Fail): void {
  const missing = names.filter((name) => !isThere(name));
  if (missing.length === 0) return;
  fail(`${missing.length} of the ${names.length} files of this model are missing`, {
    found: `no ${missing.slice(0, 5).map(shownName).join(", ")}${missing.length > 5 ? ", ..." : ""}`,
    hint: "fetch them too, and put them into one folder, or give all of them",
  });
}

/** The name of the file at the end of a path. */
export const lastOf = (path: string): string => path.split(/[/\\]/).at(-1)!;

/**
 * Files in memory as a folder has them: parts of a model become one file, and values of an ONNX model or a TensorFlow
 * checkpoint and timm's `config.json` belong to the weights that are given with them.
 * @throws SenetError `weights` where parts are missing, or an index or a `config.json` is damaged
 */
export function together(files: readonly WeightFile[]): readonly WeightFile[] {
  const byName = new Map(files.map((file) => [lastOf(file.where), file]));
  const given = (name: string) => byName.get(lastOf(name));
  const used = new Set<WeightFile>();
  const mains = files.map((file): WeightFile => {
    const { bytes, where, parts } = file;
    const name = lastOf(where);
    if (parts !== undefined || used.has(file)) return file;
    const fail = failAt(where);
    const names = partNames(name, bytes, fail);
    if (names !== undefined) {
      checkComplete(names.files, (each) => given(each) !== undefined, fail);
      // The index, or another part, of the same model.
      for (const other of files) if (modelOf(lastOf(other.where)) === modelOf(name)) used.add(other);
      const all = names.files.map((each) => given(each)!);
      for (const each of all) used.add(each);
      used.delete(file);
      return { ...file, parts: { files: all, ...(names.tensors && { names: names.tensors }) } };
    }
    const values = files.length === 1 ? [] : valuesOf(file).flatMap((each) => given(each) ?? []);
    if (values.length === 0) return file;
    for (const each of values) used.add(each);
    const { beside } = file;
    return {
      ...file,
      beside: async (each) =>
        given(each)?.bytes ?? beside?.(each) ?? fail("a file is missing", { found: shownName(each) }),
    };
  });
  const left = mains.filter((_, i) => !used.has(files[i]!));
  return withHub(left);
}

/** Names of the files in which a file keeps values. */
function valuesOf({ bytes, where }: WeightFile): readonly string[] {
  if (isTensorflowIndex(bytes)) return dataFilesOf(where, parseTensorflowIndex(bytes, where).shards);
  return /\.onnx$/i.test(where) && detectFormat(bytes, where) === "onnx" ? [...externalFiles(bytes, where)] : [];
}

/** The settings in timm's `config.json` for the files given with it. */
function withHub(files: readonly WeightFile[]): readonly WeightFile[] {
  const config = files.find(({ where }) => lastOf(where) === "config.json");
  const hub = config && readHubConfig(config.bytes, config.where);
  return hub === undefined ? files : files.flatMap((file) => (file === config ? [] : [{ ...file, hub }]));
}
