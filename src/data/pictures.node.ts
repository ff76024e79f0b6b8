/** Pictures named by a command's arguments: files, folders, archives, patterns, addresses, standard input. */

import { statSync } from "node:fs";
import { option, SenetError } from "../errors.ts";
import { codeOf, isFolder } from "../files/files.node.ts";
import { isAddress } from "./archive-list.node.ts";
import { cifar } from "./cifar.node.ts";
import { type Source, sourceOf } from "./dataset.ts";
import { isPattern, matching } from "./glob.node.ts";
import { LeftOut } from "./left-out.ts";
import { archivedPictures, tarArchives } from "./shards.node.ts";
import { Walk } from "./walk.node.ts";

export type NamedPicture =
  /** Its path, its address, or `-`. */
  | { readonly from: "file" | "address" | "standard input"; readonly name: string }
  /** One of many pictures in a file. */
  | { readonly from: "data set"; readonly name: string; readonly source: Source };

export interface NamedPictures {
  readonly pictures: readonly NamedPicture[];
  /** What was left out of the folders, one line each. */
  readonly notes: readonly string[];
}

/**
 * Expands files, folders, patterns and archives to pictures, in the order of `names`. Reads nothing yet.
 * @param recursive whether to descend into subfolders
 * @throws SenetError `data` for a missing path, a pattern without matches, or a folder without pictures; `usage` for
 * standard input given twice
 */
export function namedPictures(names: readonly string[], recursive: boolean): NamedPictures {
  const leftOut = new LeftOut();
  const pictures = names.flatMap((name) => named(name, recursive, leftOut));
  if (pictures.filter(({ from }) => from === "standard input").length > 1) {
    throw new SenetError("usage", "standard input holds one picture", { where: "-", found: "- more than once" });
  }
  return { pictures, notes: leftOut.lines() };
}

function named(name: string, recursive: boolean, leftOut: LeftOut): NamedPicture[] {
  if (name === "-") return [{ from: "standard input", name }];
  if (isAddress(name)) return [{ from: "address", name }];
  if (!isThere(name)) {
    // A pattern of archives is a data set.
    const packed = packedIn(name);
    if (packed !== undefined) return packed;
    if (isPattern(name)) return matched(name, recursive, leftOut);
    const isOfAnotherProtocol = /^[a-z][a-z0-9+.-]+:\/\//i.test(name);
    const hint = "an address that begins with http:// or https://, or the path of a file";
    throw new SenetError("data", "there is no such picture or folder", {
      where: name,
      ...(isOfAnotherProtocol && { hint }),
    });
  }
  const pictures = onDisk(name, recursive, leftOut);
  if (pictures.length > 0) return pictures;
  throw new SenetError("data", "there are no pictures in this folder", {
    where: name,
    ...(recursive ? {} : { hint: `leave out ${option("recursive")} to search its subfolders` }),
  });
}

/** The pictures in archives, or in a data set's own files; `undefined` if the path is neither. */
function packedIn(path: string): NamedPicture[] | undefined {
  if (tarArchives.detect(path)) return archivedPictures(path).map((found) => ({ from: "data set", ...found }));
  if (!cifar.detect(path)) return undefined;
  return cifar
    .open(path, {})
    .samples.map((sample) => ({ from: "data set", name: sample.file, source: sourceOf(sample) }));
}

function matched(pattern: string, recursive: boolean, leftOut: LeftOut): NamedPicture[] {
  const pictures = matching(pattern).flatMap((path) => onDisk(path, recursive, leftOut));
  if (pictures.length === 0) throw new SenetError("data", "no picture matches this", { where: pattern });
  // `**` matches a folder and what is in it.
  return [...new Map(pictures.map((picture) => [picture.name, picture])).values()];
}

/** The file, or the pictures in the folder. An unreadable path is reported when it is opened. */
function onDisk(path: string, recursive: boolean, leftOut: LeftOut): NamedPicture[] {
  const packed = packedIn(path);
  if (packed !== undefined) return packed;
  const files = isFolder(path) ? new Walk(path, leftOut).picturesIn(path, recursive).pictures : [path];
  return files.map((name) => ({ from: "file", name }));
}

/**
 * Whether the path exists, even if it cannot be inspected: a circular link, or something in a folder without
 * permission.
 */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (cause) {
    return !["ENAMETOOLONG", "ENOTDIR"].includes(codeOf(cause));
  }
}
