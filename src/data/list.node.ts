/** Pictures named by a list file as for Caffe's `ImageData` layer: one line per picture, `NAME LABEL`. */

import { isAbsolute } from "node:path";
import { option, SenetError } from "../errors.ts";
import { readBytesSync } from "../files/files.node.ts";
import { decodeText, linesOf } from "../text-file.ts";
import { labelsOfNumbers } from "./classes.ts";
import type { Dataset, Numbered, Numbering, Sample } from "./dataset.ts";
import { fileNamed } from "./walk.node.ts";

export interface OpenListOptions {
  /** The folder to which the names are relative. */
  readonly root: string;
  /** The network's classes, into which labels index. Default: the list's own (`ownClasses`). */
  readonly classes?: readonly string[];
  /** The classes that the list's numbers stand for. Default: `classes`. */
  readonly numbered?: Numbering | undefined;
  /** Skip missing pictures; otherwise they are an error. */
  readonly allowMissing?: boolean;
}

export interface PictureList extends Dataset {
  /** Number of listed pictures that are missing. */
  readonly missing: number;
}

/** A line of the list, with its number. */
interface Entry extends Numbered {
  readonly where: string;
}

/**
 * Reads a list and checks that its pictures exist, without opening them. Empty lines are skipped.
 * @throws SenetError `data` where the list cannot be read or parsed, names a class that the network lacks, or pictures
 * are missing
 */
export function openList(file: string, options: OpenListOptions): PictureList {
  const { root, allowMissing = false } = options;
  const samples: Sample[] = [];
  const missing: string[] = [];
  const names = new Set<string>();
  const entries = linesOf(read(file)).flatMap((line, i): Entry[] => {
    const where = `${file}, line ${i + 1}`;
    return line.trim() === "" ? [] : [{ ...parseLine(line, where), where }];
  });
  const classes = options.classes ?? ownClasses(entries);
  const labels = labelsOfNumbers(entries, classes, options.numbered, (i) => entries[i]!.where);
  for (const [i, { name, where }] of entries.entries()) {
    if (names.has(name)) throw new SenetError("data", "a picture is listed twice", { where, found: name });
    names.add(name);
    // Caffe's root folder may be empty, and its lists hold whole paths then.
    const picture = fileNamed(root, name) ?? (isAbsolute(name) ? fileNamed("", name) : undefined);
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
          ? `check ${option("data")}, the folder that the names of the list are relative to`
          : `${option("allowMissing")}, to go on with those that are there`,
    });
  }
  const remarks =
    missing.length === 0 ? [] : [`pictures on the list that are missing: ${missing.length} of ${entries.length}`];
  return { root, classes, samples, isNumbered: true, remarks, missing: missing.length };
}

const read = (file: string): string => decodeText(readBytesSync(file, "the list cannot be read"));

/** The label is after the last space: names may contain spaces. */
function parseLine(line: string, where: string): Numbered {
  const match = /^(.+?)\s+(\d{1,9})\s*$/.exec(line);
  if (match === null) {
    throw new SenetError("data", "this is not a line of a list", {
      where,
      expected: "a file name, a space and the number of the class",
      found: line.slice(0, 80),
    });
  }
  return { name: match[1]!, number: Number(match[2]) };
}

/** More than the number of classes in any data set. */
const mostClasses = 100_000;

/**
 * The classes that a list's numbers stand for: the pictures' folders, if numbers and folders correspond one to one
 * (ImageNet's `n01440764/n01440764_10026.JPEG 0`), or else the numbers themselves.
 * @throws SenetError `data` where a number is larger than any data set's
 */
function ownClasses(entries: readonly Entry[]): readonly string[] {
  const folders = new Map<number, string>();
  let isByFolder = true;
  let most = -1;
  for (const { name, number, where } of entries) {
    if (number >= mostClasses) {
      throw new SenetError("data", "no data set has so many classes", {
        where,
        expected: `0 to ${mostClasses - 1}`,
        found: `${number}`,
      });
    }
    most = Math.max(most, number);
    const folder = /^(?:.*\/)?([^/]+)\/[^/]*$/.exec(name)?.[1];
    if (folder === undefined || (folders.get(number) ?? folder) !== folder) isByFolder = false;
    else folders.set(number, folder);
  }
  const isOne = isByFolder && folders.size === most + 1 && new Set(folders.values()).size === folders.size;
  return Array.from({ length: most + 1 }, (_, number) => (isOne ? folders.get(number)! : `${number}`));
}
