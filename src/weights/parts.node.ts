/** Reads models in several files: parts with an index (Hugging Face's), and values next to an ONNX model. */

import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { ioError, readBytes } from "../files/files.node.ts";
import { type Fail, failAt, shownName } from "../formats/bytes.ts";
import { decodeText } from "../text-file.ts";
import type { Parts, WeightFile } from "./source.ts";

/** More than the largest models have. */
const mostParts = 1000;

/** `model-00001-of-00002.safetensors` */
const part = /^(.+)-(\d{5})-of-(\d{5})(\.(?:safetensors|bin|pth|pt))$/;
const index = /\.\w+\.index(?:\.\w+)?\.json$/i;

/** Whether a file of this name is the index of a model in several files; of a variant too (`.index.fp16.json`). */
export const isIndex = (name: string): boolean => index.test(name);

/**
 * Reads the given files and those that belong to them: an index or any part stands for the whole model.
 * @throws SenetError `io`; `weights` where parts are missing or the index is damaged
 */
export async function filesAt(paths: readonly string[]): Promise<WeightFile[]> {
  const files: WeightFile[] = [];
  const models = new Set<string>();
  for (const path of paths) {
    const found = part.exec(basename(path));
    const name = found?.[1] ?? (index.test(path) ? basename(path).replace(index, "") : undefined);
    const model = name === undefined ? undefined : join(dirname(path), name);
    if (model !== undefined && models.has(model)) continue;
    if (model !== undefined) models.add(model);
    const bytes = await readBytes(path);
    const parts =
      found !== null ? await partsOf(path, found) : index.test(path) ? await indexed(path, bytes) : undefined;
    files.push({ where: path, bytes, ...(parts && { parts }), beside: (name) => readBeside(path, name) });
  }
  return files;
}

/** All parts, whose names follow from the name of one. */
async function partsOf(path: string, [, name, , total, extension]: RegExpExecArray): Promise<Parts> {
  const fail = failAt(path);
  const count = Number(total);
  if (count > mostParts) fail(`the model is in more than ${mostParts} files`);
  const names = Array.from(
    { length: count },
    (_, i) => `${name}-${`${i + 1}`.padStart(5, "0")}-of-${total}${extension}`,
  );
  return { files: await readAll(path, names, fail) };
}

/** `{ "weight_map": { TENSOR: FILE, ... } }` */
async function indexed(path: string, bytes: Uint8Array): Promise<Parts> {
  const fail = failAt(path);
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
  const names = [...new Set(entries.map(([, file]) => file))];
  if (names.length === 0 || names.length > mostParts) fail(`the index names ${names.length} files`);
  return { files: await readAll(path, names, fail), names: entries.map(([tensor]) => tensor) };
}

async function readAll(path: string, names: readonly string[], fail: Fail): Promise<WeightFile[]> {
  const there = new Set(await readdir(dirname(path)));
  const missing = names.filter((name) => !there.has(name));
  if (missing.length > 0) {
    fail(`${missing.length} of the ${names.length} files of this model are missing`, {
      found: `no ${missing.slice(0, 5).map(shownName).join(", ")}${missing.length > 5 ? ", ..." : ""}`,
      hint: "fetch them into the same folder",
    });
  }
  return Promise.all(
    names.map(async (name) => ({
      where: join(dirname(path), name),
      bytes: await readBytes(join(dirname(path), name)),
    })),
  );
}

/**
 * Reads a file named in a model; only from its own folder, so that a hostile model cannot have others read.
 * @throws SenetError `io`, `weights`
 */
async function readBeside(path: string, name: string): Promise<Uint8Array> {
  const fail = failAt(path);
  const outside = (): never =>
    fail("its values are in a file that is not in its folder, which is not opened", {
      found: shownName(name),
      hint: "save the model in one file: onnx.save(onnx.load(FILE), OUT)",
    });
  const steps = name.split(/[\\/]/);
  if (name === "" || name.includes("\0") || steps.some((step) => step === ".." || step === "" || /^\w:/.test(step)))
    outside();
  const file = join(dirname(path), name);
  try {
    const folder = await realpath(dirname(path));
    const real = await realpath(file);
    if (!real.startsWith(folder.endsWith(sep) ? folder : folder + sep)) outside();
    if (!(await stat(real)).isFile())
      fail("its values are in something that is not a file", { found: shownName(name) });
  } catch (cause) {
    if (!(cause instanceof Error && "syscall" in cause)) throw cause;
    const hint = "fetch that file too, into the same folder";
    throw ioError("the values of the model, which it keeps in this file, cannot be read", file, cause, hint);
  }
  return readBytes(file);
}
