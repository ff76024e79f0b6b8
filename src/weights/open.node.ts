/** Opens weight files by their paths, with files that belong to them. */

import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseCaffemodel } from "../formats/caffemodel.ts";
import { detectFormat } from "../formats/detect.ts";
import { parsePrototxt } from "../formats/prototxt.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { hubBeside, weightsIn } from "./folder.node.ts";
import { openFiles } from "./open.ts";
import { meanFileOf } from "./open-caffe.ts";
import type { Opened, OpenOptions } from "./opened.ts";
import { filesAt } from "./parts.node.ts";
import { together } from "./parts.ts";
import type { WeightFile } from "./source.ts";

/**
 * Opens the network in a weight file, with its labels and pre-processing. The format is recognised by content, the
 * model by the names and shapes of its tensors. A Caffe network that is not in the zoo is built from its definition.
 * @param paths a file; or a prototxt and its caffemodel, and perhaps the mean's binaryproto, in any order; or a
 * symbol.json and its .params; or the index or any part of a model in several files
 * @throws SenetError `io`; `weights` where a file is damaged, in no supported format or of an unknown network; `usage`
 * where an option does not fit it
 */
export async function openWeights(paths: string | readonly string[], options: OpenOptions = {}): Promise<Checkpoint> {
  return (await openPaths(paths, options)).checkpoint;
}

export interface OpenedPaths extends Opened {
  /** All files read: those given, and those that belong to them. */
  readonly files: readonly string[];
}

/** As `openWeights`, with what the network was opened from. */
export async function openPaths(paths: string | readonly string[], options: OpenOptions = {}): Promise<OpenedPaths> {
  const named = together(await filesIn([paths].flat()));
  const beside = (await meanBeside(named)) ?? (await symbolBeside(named));
  const files = beside === undefined ? named : [...named, beside];
  const read = new Set(files.flatMap(pathsOf));
  const noted = files.map(({ beside, ...file }): WeightFile => {
    if (beside === undefined) return file;
    const noting = (name: string) => {
      read.add(join(dirname(file.where), name));
      return beside(name);
    };
    return { ...file, beside: noting };
  });
  return { ...(await openFiles(noted, options)), files: [...read] };
}

const pathsOf = ({ where, parts, hub }: WeightFile): readonly string[] => [
  where,
  ...(parts?.files ?? []).map((part) => part.where),
  ...(hub === undefined ? [] : [hub.where]),
];

/** The given files, or the weights in a folder, with files that describe them. */
async function filesIn(paths: readonly string[]): Promise<WeightFile[]> {
  const files = await filesAt(await Promise.all(paths.map(weightsIn)));
  return Promise.all(
    files.map(async (file) => ({ ...file, path: resolve(file.where), hub: await hubBeside(file.where) })),
  );
}

/** The graph that MXNet saves next to weights: `NET-symbol.json` for `NET-0012.params`. */
async function symbolBeside(files: readonly WeightFile[]): Promise<WeightFile | undefined> {
  const [file, ...others] = files;
  const prefix = /^(.*)-\d{4}\.params$/.exec(file?.where ?? "")?.[1];
  if (prefix === undefined || others.length > 0 || detectFormat(file!.bytes, file!.where) !== "mxnet") return undefined;
  const path = `${prefix}-symbol.json`;
  return existsSync(path) ? (await filesIn([path]))[0] : undefined;
}

/** The mean file named by a definition, if it is next to it and not given. */
async function meanBeside(files: readonly WeightFile[]): Promise<WeightFile | undefined> {
  if (files.length > 2 || files.some(({ parts }) => parts !== undefined)) return undefined;
  const formats = files.map(({ bytes, where }) => detectFormat(bytes, where));
  if (formats.includes("binaryproto")) return undefined;
  const place = Math.max(formats.indexOf("prototxt"), formats.indexOf("caffemodel"));
  const main = files[formats.indexOf("prototxt")] ?? files[place];
  if (main === undefined) return undefined;
  const definition = formats.includes("prototxt")
    ? parsePrototxt(main.bytes, main.where)
    : parseCaffemodel(main.bytes, main.where).definition;
  const named = meanFileOf(definition, main.where);
  if (named === undefined) return undefined;
  for (const path of new Set([resolve(dirname(main.where), named), join(dirname(main.where), basename(named))])) {
    if (existsSync(path)) return (await filesIn([path]))[0];
  }
  return undefined;
}
