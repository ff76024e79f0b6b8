/** Pictures named by a list file, as Caffe's `ImageData` layer reads it: a line a picture, `NAME LABEL`. */

import { SenetError } from "../errors.ts";
import { readBytesSync } from "../files/files.node.ts";
import { decodeText, linesOf } from "../text-file.ts";
import { labelsOfNumbers } from "./classes.ts";
import type { Dataset, Numbered, Numbering, Sample } from "./dataset.ts";
import { fileNamed } from "./walk.node.ts";

export interface OpenListOptions {
  /** The folder that the names are relative to. */
  readonly root: string;
  /** The classes of a network, whose labels the samples get. */
  readonly classes: readonly string[];
  /** What the numbers of the list stand for. Default: `classes` itself. */
  readonly numbered?: Numbering | undefined;
  /** Leave out pictures that are not there; without it they are an error. */
  readonly allowMissing?: boolean;
}

export interface PictureList extends Dataset {
  /** Pictures of the list that are not there. */
  readonly missing: number;
}

/**
 * Reads a list and looks for its pictures, which are not opened. Empty lines are passed over.
 * @throws SenetError `data` where the list cannot be read or understood, names a class that the network lacks, or
 * pictures are missing
 */
export function openList(file: string, options: OpenListOptions): PictureList {
  const { root, classes, allowMissing = false } = options;
  const samples: Sample[] = [];
  const missing: string[] = [];
  const names = new Set<string>();
  const entries = linesOf(read(file)).flatMap((line, i) => {
    const where = `${file}, line ${i + 1}`;
    return line.trim() === "" ? [] : [{ ...parseLine(line, where), where }];
  });
  const labels = labelsOfNumbers(entries, classes, options.numbered, (i) => entries[i]!.where);
  for (const [i, { name, where }] of entries.entries()) {
    if (names.has(name)) throw new SenetError("data", "a picture is listed twice", { where, found: name });
    names.add(name);
    const picture = fileNamed(root, name);
    if (picture !== undefined) samples.push({ file: picture, label: labels[i]! });
    else missing.push(name);
  }
  if (samples.length === 0 || (missing.length > 0 && !allowMissing)) {
    const count = samples.length + missing.length;
    throw new SenetError("data", count === 0 ? "the list is empty" : "pictures on the list are missing", {
      where: file,
      expected: count === 0 ? "lines such as: ILSVRC2012_val_00000001.JPEG 489" : `${count} pictures in ${root}`,
      found: count === 0 ? "no line" : `${samples.length}; the first that is missing is ${missing[0]}`,
      hint:
        samples.length === 0
          ? "check --data, the folder that the names of the list are relative to"
          : "--allow-missing, to measure on those that are there",
    });
  }
  return { root, classes, samples, missing: missing.length };
}

const read = (file: string): string => decodeText(readBytesSync(file, "the list cannot be read"));

/** The label stands after the last space; names may hold spaces. */
function parseLine(line: string, where: string): Numbered {
  const match = /^(.+?)\s+(\d+)\s*$/.exec(line);
  if (match === null) {
    throw new SenetError("data", "this is not a line of a list", {
      where,
      expected: "a file name, a space and the number of the class",
      found: line.slice(0, 80),
    });
  }
  return { name: match[1]!, number: Number(match[2]) };
}
