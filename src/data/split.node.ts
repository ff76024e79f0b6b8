/** The pictures to train on and those to validate with. */

import { basename, dirname, join, resolve } from "node:path";
import { SenetError } from "../errors.ts";
import { quote } from "./classes.ts";
import type { Dataset } from "./dataset.ts";
import { kindOf, openDataset } from "./datasets.node.ts";
import { splitNames } from "./split-names.ts";
import { list } from "./walk.node.ts";

export interface TrainingData {
  readonly train: Dataset;
  /** Its labels are those of `train`. */
  readonly val: Dataset;
  /** What a person should know of both: a line each. */
  readonly remarks: readonly string[];
}

/**
 * Opens what one path holds of both, or else the folders `train` and `val` in it, or what is named so elsewhere
 * (`training`, `validation`, `valid`, `test`); the classes are those of `train`.
 * @throws SenetError `data` as `openDataset`, and where one of the two is missing
 */
export function openTrainingData(path: string): TrainingData {
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
  if (train !== undefined) {
    return (
      `move a part of the pictures (a tenth, say) of each class from ${join(dir, train)} to ${join(dir, "val")}, ` +
      "or rename the folder that holds them"
    );
  }
  const above = dirname(resolve(dir));
  const isPart = Object.values(splitNames([basename(resolve(dir))])).some((name) => name !== undefined);
  if (val === undefined && isPart) {
    const beside = splitNames(list(above).folders);
    if (beside.train !== undefined && beside.val !== undefined) return `--data ${dirname(dir)}, which has both`;
  }
  const example = folders[0] ?? "cat";
  return (
    `put the class folders into ${join(dir, "train")}, and a tenth of each class's pictures into ${join(dir, "val")} ` +
    `to measure with: ${join("train", example)} and ${join("val", example)}`
  );
}
