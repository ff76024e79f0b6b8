/** The pictures to train on and those to validate with. */

import { basename, dirname, join, resolve } from "node:path";
import { option, SenetError } from "../errors.ts";
import { quote } from "./classes.ts";
import type { Dataset, DatasetKind, Part } from "./dataset.ts";
import { kindOf, openDataset } from "./datasets.node.ts";
import { holdOut } from "./hold-out.ts";
import { openList } from "./list.node.ts";
import { nameIn } from "./sample-name.node.ts";
import { splitNames } from "./split-names.ts";
import { list } from "./walk.node.ts";

export interface TrainingData {
  readonly train: Dataset;
  /** Its labels are those of `train`. */
  readonly val: Dataset;
  /** What a person should know of both: a line each. */
  readonly remarks: readonly string[];
}

export interface Parts {
  readonly parts: readonly { readonly part: "train" | "val" | "all"; readonly dataset: Dataset }[];
  /** What a person should know of them: a line each. */
  readonly remarks: readonly string[];
}

/** Lists of pictures, `NAME LABEL` a line; names are relative to the data folder. */
export interface ListOptions {
  /** Of the pictures to train on. */
  readonly list?: string | undefined;
  /** Of those to validate with. */
  readonly valList?: string | undefined;
  /** Leave out pictures of the lists that are not there; without it they are an error. */
  readonly allowMissing?: boolean | undefined;
}

/** Where the two parts come from, where they are not in the data as `train` and `val`. */
export interface PartOptions extends ListOptions {
  /** About how much of each class is kept back to validate with: above 0, below 1. `null`: the data has a part for it. */
  readonly valSplit?: number | null | undefined;
  /** Of `valSplit`. Default: 0. */
  readonly seed?: number | undefined;
}

/**
 * Opens what one path holds of both, or else the folders `train` and `val` in it, or what is named so elsewhere
 * (`training`, `validation`, `valid`, `test`); the classes are those of `train`.
 * @throws SenetError `data` as `openDataset`, and where one of the two is missing; `usage` where options contradict
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
  const { folders } = list(path);
  const names = splitNames(folders);
  if (names.train === undefined || names.val === undefined) throw notSplit(path, folders, names);
  const train = openDataset(join(path, names.train));
  const val = openDataset(join(path, names.val), { classes: train.classes });
  return { train, val, remarks: [...renamed(names.train, names.val), ...remarksOf(train, val)] };
}

/**
 * Where the pictures are that `valSplit` divides: in `train/`, where data is in such folders, and else all that is there.
 * To be opened with the part `undivided`.
 */
export function undividedIn(path: string): { readonly path: string; readonly remarks: readonly string[] } {
  if (kindOf(path).hasParts) return { path, remarks: [] };
  const { folders } = list(path);
  const { train, val } = splitNames(folders);
  // A class may be called "train" too.
  if (train === undefined || (val === undefined && folders.length > 1)) return { path, remarks: [] };
  const remarks = val === undefined ? [] : [`${val}/ is not used: a part of ${train}/ is kept back to validate with`];
  return { path: join(path, train), remarks };
}

/**
 * Each part of the data: `train` and `val` as `openTrainingData` gives them, or `all` where there is one part only.
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
    // One list alone can be looked at, too.
    const isAlone = (file === undefined) !== (valList === undefined) && (valSplit ?? undefined) === undefined;
    if (isAlone) return all(openList((file ?? valList)!, { root: path, allowMissing }));
    return both(openTrainingData(path, options));
  }
  if (kindOf(path).hasParts) {
    try {
      return both(openTrainingData(path));
    } catch (error) {
      if (!(error instanceof SenetError && error.code === "data")) throw error;
      // What is wrong with more than its parts is said again.
      return all(openDataset(path));
    }
  }
  const { train, val } = splitNames(list(path).folders);
  return train !== undefined && val !== undefined
    ? both(openTrainingData(path))
    : all(openDataset(undividedIn(path).path));
}

/** Where the parts of data are, each to be opened as that part; none where the data is not in parts. */
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

/** Both parts by their lists, or one list that is divided. */
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
  if (train !== "train") yield `${train}/ is used to train on, because there is no train/`;
  if (val !== "val") yield `${val}/ is used to validate with, because there is no val/`;
}

function* remarksOf(train: Dataset, val: Dataset): Generator<string> {
  // Of what holds both, some are said of either.
  yield* new Set([...(train.remarks ?? []), ...(val.remarks ?? [])]);
  const there = new Set(val.samples.map(({ label }) => label));
  const absent = val.classes.filter((_, label) => !there.has(label));
  if (absent.length === 0) return;
  yield `${val.root} has no pictures of ${absent.length} of the ${val.classes.length} classes, which are not ` +
    `validated: ${quote(absent)}`;
}

function notSplit(dir: string, folders: readonly string[], names: ReturnType<typeof splitNames>): SenetError {
  const missing = (["train", "val"] as const).filter((name) => names[name] === undefined);
  return new SenetError("data", `there is no ${missing.map((name) => `${name}/`).join(" and no ")} here`, {
    where: dir,
    expected: "train/ and val/, each with one folder per class",
    found: folders.length === 0 ? "no folders" : quote(folders),
    hint: hintFor(dir, folders, names),
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
  return (
    `${option("valSplit")} 0.1, where these are the class folders, keeps a tenth of each back to validate with; or put them into ` +
    `${join(dir, "train")} and ${join(dir, "val")}: ${join("train", example)} and ${join("val", example)}`
  );
}
