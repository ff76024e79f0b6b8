/** Pictures named by a list file, as Caffe's `ImageData` layer reads it: a line a picture, `NAME LABEL`. */

import { readFileSync } from "node:fs";
import { SenetError } from "../errors.ts";
import { decodeText, linesOf } from "../text-file.ts";
import { classFinder } from "./classes.ts";
import type { PictureFolder, Sample } from "./dataset.ts";
import { fileNamed } from "./walk.node.ts";

export interface OpenListOptions {
  /** The folder that the names are relative to. */
  readonly root: string;
  /** The classes of a network, whose labels the samples get. */
  readonly classes: readonly string[];
  /**
   * What the numbers of the list stand for: class names by number, or what finds them for the list's lines. Default:
   * `classes` itself.
   */
  readonly numbered?: readonly string[] | ((entries: readonly ListEntry[]) => readonly string[]);
  /** Leave out pictures that are not there; without it they are an error. */
  readonly allowMissing?: boolean;
}

/** A line of a list. */
export interface ListEntry {
  readonly name: string;
  readonly number: number;
}

export interface PictureList extends PictureFolder {
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
  const find = classFinder(classes);
  const samples: Sample[] = [];
  const missing: string[] = [];
  const names = new Set<string>();
  const entries = linesOf(read(file)).flatMap((line, i) => {
    const where = `${file}, line ${i + 1}`;
    return line.trim() === "" ? [] : [{ ...parseLine(line, where), where }];
  });
  const numbered = typeof options.numbered === "function" ? options.numbered(entries) : (options.numbered ?? classes);
  for (const { name, number, where } of entries) {
    checkNumber(number, where, numbered.length);
    const label = find(numbered[number]!);
    if (label === undefined) {
      throw new SenetError("data", "the class of this picture is not one of the network's", {
        where,
        found: `${number}, which is "${numbered[number]}"`,
        hint: "evaluate a network of these classes, or take the pictures of other classes out of the list",
      });
    }
    if (names.has(name)) throw new SenetError("data", "a picture is listed twice", { where, found: name });
    names.add(name);
    const picture = fileNamed(root, name);
    if (picture !== undefined) samples.push({ file: picture, label });
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

function read(file: string): string {
  try {
    return decodeText(readFileSync(file));
  } catch (cause) {
    const found = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : String(cause);
    throw new SenetError("data", "the list cannot be read", { where: file, found, cause });
  }
}

/** The label stands after the last space; names may hold spaces. */
function parseLine(line: string, where: string): ListEntry {
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

function checkNumber(number: number, where: string, classes: number): void {
  if (number < classes) return;
  throw new SenetError("data", "there is no class of this number", {
    where,
    expected: `0 to ${classes - 1}`,
    found: `${number}`,
    hint: "the numbers start at 0; a network of other classes needs another list",
  });
}
