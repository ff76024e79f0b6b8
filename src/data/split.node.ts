/** Opens training and validation pictures. */

import { basename, dirname, join, resolve } from "node:path";
import { option, SenetError } from "../errors.ts";
import { pickledHint } from "./cifar.node.ts";
import { quote } from "./classes.ts";
import type { Dataset, DatasetKind, Part } from "./dataset.ts";
import { kindOf, openDataset } from "./datasets.node.ts";
import { holdOut } from "./hold-out.ts";
import { openList } from "./list.node.ts";
import { nameIn } from "./sample-name.node.ts";
import { splitNames } from "./split-names.ts";
import { type Listing, list } from "./walk.node.ts";

export interface TrainingData {
  readonly train: Dataset;
  /** Has the same labels as `train`. */
  readonly val: Dataset;
  /** Remarks about both parts, one line each. */
  readonly remarks: readonly string[];
}

export interface Parts {
  readonly parts: readonly { readonly part: "train" | "val" | "all"; readonly dataset: Dataset }[];
  /** Remarks about all parts, one line each. */
  readonly remarks: readonly string[];
}

/** Lists of pictures, one `NAME LABEL` per line; names are relative to the data folder. */
export interface ListOptions {
  /** List of the training pictures. */
  readonly list?: string | undefined;
  /** List of the validation pictures. */
  readonly valList?: string | undefined;
  /** Skip missing pictures of the lists; otherwise they are an error. */
  readonly allowMissing?: boolean | undefined;
}

/** Where the two parts come from, if they are not `train` and `val` in the data. */
export interface PartOptions extends ListOptions {
  /**
   * Share of each class to keep back for validation, approximately: above 0, below 1. `null`: the data has a validation
   * part.
   */
  readonly valSplit?: number | null | undefined;
  /** Seed of `valSplit`. Default: 0. */
  readonly seed?: number | undefined;
}

/**
 * Opens both parts from one path: those of a format that has parts, or else the folders `train` and `val`, or other
 * usual names (`training`, `validation`, `valid`, `test`). The classes are those of `train`.
 * @throws SenetError `data` as `openDataset`, and where a part is missing; `usage` where options contradict each other
 */
export function openTrainingData(path: string, options: PartOptions = {}): TrainingData {
  const { valSplit } = options;
  if (options.list !== undefined || options.valList !== undefined) return listed(path, options);
  if (valSplit !== undefined && valSplit !== null) {
    const { path: whole, remarks } = undividedIn(path);
    return divided(openDataset(whole, { part: "undivided" }), valSplit, options, remarks);
  }
  const kind = kindOf(path);
  if (kind.hasParts) {
    const train = kind.open(path, { part: "train" });
    const val = kind.open(path, { part: "val", classes: train.classes });
    return { train, val, remarks: [...remarksOf(train, val)] };
  }
  const { folders, files } = list(path);
  const names = splitNames(folders);
  if (names.train === undefined || names.val === undefined) throw notSplit(path, { folders, files }, names);
  const train = openDataset(join(path, names.train));
  const val = openDataset(join(path, names.val), { classes: train.classes });
  return { train, val, remarks: [...renamed(names.train, names.val), ...remarksOf(train, val)] };
}

/**
 * The place of the pictures that `valSplit` divides: `train/` if there is such a folder, or else the whole path. To be
 * opened with the part `undivided`.
 */
export function undividedIn(path: string): { readonly path: string; readonly remarks: readonly string[] } {
  if (kindOf(path).hasParts) return { path, remarks: [] };
  const { folders } = list(path);
  const { train, val } = splitNames(folders);
  // A class may be called "train".
  if (train === undefined || (val === undefined && folders.length > 1)) return { path, remarks: [] };
  const remarks = val === undefined ? [] : [`${val}/ is not used: a part of ${train}/ is kept back to validate with`];
  return { path: join(path, train), remarks };
}

/**
 * All parts of the data: `train` and `val` as from `openTrainingData`, or `all` if there is only one.
 * @throws SenetError as `openTrainingData` and `openDataset`
 */
export function openParts(path: string, options: PartOptions = {}): Parts {
  const both = ({ train, val, remarks }: TrainingData): Parts => ({
    parts: [
      { part: "train", dataset: train },
      { part: "val", dataset: val },
    ],
    remarks,
  });
  const all = (dataset: Dataset): Parts => ({ parts: [{ part: "all", dataset }], remarks: dataset.remarks ?? [] });
  const isTold = [options.list, options.valList, options.valSplit ?? undefined].some((told) => told !== undefined);
  if (isTold) {
    const { list: file, valList, valSplit, allowMissing = false } = options;
    // A single list is enough here.
    const isAlone = (file === undefined) !== (valList === undefined) && (valSplit ?? undefined) === undefined;
    if (isAlone) return all(openList((file ?? valList)!, { root: path, allowMissing }));
    return both(openTrainingData(path, options));
  }
  if (kindOf(path).hasParts) {
    try {
      return both(openTrainingData(path));
    } catch (error) {
      if (!(error instanceof SenetError && error.code === "data")) throw error;
      // A fault of more than the parts is reported again.
      return all(openDataset(path));
    }
  }
  const { train, val } = splitNames(list(path).folders);
  return train !== undefined && val !== undefined
    ? both(openTrainingData(path))
    : all(openDataset(undividedIn(path).path));
}

/** The path of each part, to be opened as that part; empty if the data has no parts. */
export function pathsOfParts(path: string): readonly { readonly part: Part; readonly path: string }[] {
  const both = ["train", "val"] as const;
  const kind = kindOf(path);
  if (kind.hasParts) return both.filter((part) => opens(kind, path, part)).map((part) => ({ part, path }));
  const names = splitNames(list(path).folders);
  if (names.train === undefined || names.val === undefined) return [];
  return both.map((part) => ({ part, path: join(path, names[part]!) }));
}

function opens(kind: DatasetKind, path: string, part: Part): boolean {
  try {
    kind.open(path, { part });
    return true;
  } catch (error) {
    if (error instanceof SenetError && error.code === "data") return false;
    throw error;
  }
}

function divided(
  dataset: Dataset,
  valSplit: number,
  { seed = 0 }: PartOptions,
  remarks: readonly string[],
): TrainingData {
  const { train, val } = holdOut(dataset, { valSplit, seed }, nameIn);
  if (val.samples.length === 0) {
    throw new SenetError("data", "there are too few pictures to keep some back", {
      where: dataset.root,
      expected: "two pictures of a class at least",
      found: `${dataset.samples.length} pictures of ${dataset.classes.length} classes`,
    });
  }
  return { train, val, remarks: [...remarks, ...remarksOf(train, val)] };
}

/** Opens both parts from their lists, or from one list that is divided. */
function listed(root: string, options: PartOptions): TrainingData {
  const { list: file, valList, allowMissing = false, valSplit } = options;
  const isDivided = valSplit !== undefined && valSplit !== null;
  if (file === undefined || (valList === undefined) !== isDivided) {
    throw new SenetError("usage", "the lists do not say what to train on and what to validate with", {
      where: root,
      expected: `${option("list")} and ${option("valList")}, or ${option("list")} and ${option("valSplit")}`,
      found: file === undefined ? `no ${option("list")}` : isDivided ? "all three" : `${option("list")} alone`,
    });
  }
  const train = openList(file, { root, allowMissing });
  if (valList === undefined) return divided(train, valSplit!, options, []);
  const val = openList(valList, { root, allowMissing, classes: train.classes });
  return { train, val, remarks: [...remarksOf(train, val)] };
}

function* renamed(train: string, val: string): Generator<string> {
  if (train !== "train") yield `${train}/ is used for training, because there is no train/`;
  if (val !== "val") yield `${val}/ is used for validation, because there is no val/`;
}

function* remarksOf(train: Dataset, val: Dataset): Generator<string> {
  // If one path holds both, some remarks are in both.
  yield* new Set([...(train.remarks ?? []), ...(val.remarks ?? [])]);
  const there = new Set(val.samples.map(({ label }) => label));
  const absent = val.classes.filter((_, label) => !there.has(label));
  if (absent.length === 0) return;
  yield `${val.root} has no pictures of ${absent.length} of the ${val.classes.length} classes, which are not ` +
    `validated: ${quote(absent)}`;
}

function notSplit(
  dir: string,
  { folders, files }: Pick<Listing, "folders" | "files">,
  names: ReturnType<typeof splitNames>,
): SenetError {
  const missing = (["train", "val"] as const).filter((name) => names[name] === undefined);
  return new SenetError("data", `there is no ${missing.map((name) => `${name}/`).join(" and no ")} here`, {
    where: dir,
    expected: "train/ and val/, each with one folder per class",
    found: folders.length === 0 ? "no folders" : quote(folders),
    hint: pickledHint(files) ?? hintFor(dir, folders, names),
  });
}

function hintFor(dir: string, folders: readonly string[], { train, val }: ReturnType<typeof splitNames>): string {
  if (train !== undefined && (val !== undefined || folders.length === 1)) {
    return `${option("valSplit")} 0.1 keeps a tenth of each class back to validate with; or rename the folder that holds them`;
  }
  const above = dirname(resolve(dir));
  const isPart = Object.values(splitNames([basename(resolve(dir))])).some((name) => name !== undefined);
  if (val === undefined && isPart) {
    const beside = splitNames(list(above).folders);
    if (beside.train !== undefined && beside.val !== undefined)
      return `${option("data")} ${dirname(dir)}, which has both`;
  }
  const example = folders[0] ?? "cat";
  if (folders.length === 0) {
    return `a folder for each class, such as ${join(dir, "train", "cat")} and ${join(dir, "val", "cat")}; or without val/, and ${option("valSplit")} 0.1`;
  }
  return (
    `${option("valSplit")} 0.1, where these are the class folders, keeps a tenth of each back to validate with; or put them into ` +
    `${join(dir, "train")} and ${join(dir, "val")}: ${join("train", example)} and ${join("val", example)}`
  );
}
