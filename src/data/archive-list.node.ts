/** Several archives as one data set, given by a pattern or by a file that names one per line. */

import { existsSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { readBytesSync } from "../files/files.node.ts";
import { decodeText, linesOf } from "../text-file.ts";
import { expandBraces, hasBraces } from "./braces.ts";
import { statsOf } from "./walk.node.ts";

/** A list of archives is never longer. */
const mostBytes = 2 ** 24;

export const isAddress = (text: string): boolean => /^https?:\/\//i.test(text);

export const isTarName = (name: string): boolean => /\.tar$/i.test(name);
/** Compressed archives, which are refused by name. */
export const isCompressedName = (name: string): boolean => /\.(tar\.\w{1,4}|tgz|txz|tbz2?)$/i.test(name);

/** Whether the path is a text file whose first line names an archive. */
export function isArchiveList(path: string): boolean {
  if (!/\.txt$/i.test(path)) return false;
  const stats = statsOf(path);
  return stats?.isFile() === true && stats.size <= mostBytes && isTarName(pathOf(linesOfList(path)[0] ?? ""));
}

/** Removes the query and fragment of an address. */
export const pathOf = (name: string): string => name.replace(/^(https?:\/\/[^?#]*).*$/i, "$1");

/**
 * The archives that the lines name, with patterns expanded. Paths are relative to the list; lines that start with `#`
 * are comments.
 */
export function linesOfList(list: string): string[] {
  return linesOf(decodeText(readBytesSync(list, "the list of archives cannot be read")))
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .flatMap(expandBraces)
    .map((name) => (isAddress(name) || isAbsolute(name) ? name : join(dirname(list), name)));
}

/** The archives of a pattern such as `shards/train-{0000..0146}.tar` or of a list; empty for any other path. */
export function archivesNamed(path: string): readonly string[] {
  if (hasBraces(path) && !existsSync(path)) {
    return expandBraces(path).filter((name) => isTarName(name) || isCompressedName(name));
  }
  return isArchiveList(path) ? linesOfList(path) : [];
}

/** The deepest folder that contains all paths. */
export function commonFolder(paths: readonly string[]): string {
  let folder = dirname(paths[0]!);
  while (!paths.every((path) => path.startsWith(join(folder, "/")) || folder === ".")) folder = dirname(folder);
  return folder;
}
