/** Reads models in several files: parts with an index (Hugging Face's), and values next to an ONNX model. */

import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { ioError, readBytes } from "../files/files.node.ts";
import { failAt, shownName } from "../formats/bytes.ts";
import { checkComplete, modelOf, type PartNames, partNames } from "./parts.ts";
import type { Parts, WeightFile } from "./source.ts";

/**
 * Reads the given files and those that belong to them: an index or any part stands for the whole model.
 * @throws SenetError `io`; `weights` where parts are missing or the index is damaged
 */
export async function filesAt(paths: readonly string[]): Promise<WeightFile[]> {
  const files: WeightFile[] = [];
  const models = new Set<string>();
  for (const path of paths) {
    const name = modelOf(basename(path));
    const model = name === undefined ? undefined : join(dirname(path), name);
    if (model !== undefined && models.has(model)) continue;
    if (model !== undefined) models.add(model);
    const bytes = await readBytes(path);
    const names = partNames(basename(path), bytes, failAt(path));
    const parts = names && (await readParts(path, names));
    files.push({ where: path, bytes, ...(parts && { parts }), beside: (name) => readBeside(path, name) });
  }
  return files;
}

/** @throws SenetError `io`; `weights` where some are missing */
async function readParts(path: string, { files, tensors }: PartNames): Promise<Parts> {
  const folder = dirname(path);
  const there = new Set(await readdir(folder));
  checkComplete(files, (name) => there.has(name), failAt(path));
  const read = async (name: string) => ({ where: join(folder, name), bytes: await readBytes(join(folder, name)) });
  return { files: await Promise.all(files.map(read)), ...(tensors && { names: tensors }) };
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
