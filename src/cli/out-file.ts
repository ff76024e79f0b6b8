/** Checks the path of a command's result before the work is done: that it can be written, and that nothing is lost. */

import { accessSync, constants, statSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { SenetError } from "../errors.ts";
import { codeOf, ioError, isFolder } from "../files/files.node.ts";
import { nearestNames } from "../names.ts";

/**
 * @param extensions of files that the command can write
 * @param name file name for the example in the message
 * @returns the extension of `out`
 * @throws SenetError `usage` where `out` is a folder or has another extension; `io` where its folder does not exist or
 * cannot be written to
 */
export function checkOutFile(out: string, extensions: readonly string[], name = "model"): string {
  const example = `${name}${extensions[0]}`;
  if (/[\\/]$/.test(out) || isFolder(out)) {
    throw new SenetError("usage", "this is a folder, not the name of a file to write", {
      where: out,
      hint: `${join(out, example)}`,
    });
  }
  const extension = extname(out).toLowerCase();
  if (!extensions.includes(extension)) {
    const name = basename(out, extname(out));
    const nearest = nearestNames(extension, extensions, 1).join();
    const isRead = /^\.(?:npz|npy|params|mat|index|ckpt|pth|pt|pkl|bin|h5|hdf5|model)$/.test(extension);
    const what = isRead
      ? "files of this kind are read, and not written"
      : "the file extension does not say which format to write";
    throw new SenetError("usage", what, {
      where: out,
      expected: extensions.join(", "),
      found: extension === "" ? "none" : extension,
      hint: join(dirname(out), `${name}${isRead ? extensions[0] : nearest}`),
    });
  }
  const folder = dirname(out);
  try {
    if (!statSync(folder).isDirectory()) throw Object.assign(new Error(), { code: "ENOTDIR" });
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    const hint =
      codeOf(cause) === "ENOENT" ? "make it first, or name another file to write" : "name another file to write";
    throw ioError("the folder to write to cannot be used", folder, cause, hint);
  }
  return extension;
}

/**
 * Checks that a result does not replace a file that the command reads, under whatever name: by another path, or by a
 * symbolic or hard link.
 * @param read paths of files; those that do not exist, such as names of released weights, are ignored
 * @param another what the user can name instead, for the error's hint: "another --out"
 * @throws SenetError `usage` where it would
 */
export function checkKeeps(out: string, read: Iterable<string>, another: string): void {
  const old = statSync(out, { throwIfNoEntry: false, bigint: true });
  if (old === undefined) return;
  for (const path of read) {
    const file = statSync(path, { throwIfNoEntry: false, bigint: true });
    if (file?.dev !== old.dev || file.ino !== old.ino) continue;
    throw new SenetError("usage", "this would replace a file that is read", {
      where: out,
      expected: "a file of its own",
      found: path === out ? "what is read" : `the same file as ${path}`,
      hint: another,
    });
  }
}
