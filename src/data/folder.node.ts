/** Pictures in one folder per class, as torchvision's `ImageFolder` reads them. */

import { basename, join } from "node:path";
import { option, SenetError } from "../errors.ts";
import { isPictureName, pictureExtensions } from "../images/format.ts";
import { pickledHint } from "./cifar.node.ts";
import { classFinder, openClasses, quote } from "./classes.ts";
import type { Dataset, DatasetKind, OpenOptions, Sample } from "./dataset.ts";
import { LeftOut } from "./left-out.ts";
import { splitNames } from "./split-names.ts";
import { list, Walk } from "./walk.node.ts";

/**
 * Lists the pictures of a folder with one subfolder per class, in which pictures may be at any depth. Pictures are
 * recognised by their names, or by their first bytes if the name has no known extension. Names that start with a dot
 * are skipped.
 * @throws SenetError `data` where the folder is missing or empty, has only one class, has a class without pictures, or
 * (with `classes`) a class that those lack
 */
export function openFolder(root: string, { classes }: Pick<OpenOptions, "classes"> = {}): Dataset {
  const leftOut = new LeftOut();
  const walk = new Walk(root, leftOut);
  const folders = walk.classFolders();
  checkFolders(root, folders, classes);
  const { classes: known, find } = openClasses(root, folders, classes);
  const samples: Sample[] = [];
  for (const name of folders) {
    const label = find(name)!;
    const { pictures, others } = walk.picturesIn(join(root, name));
    if (pictures.length === 0 && classes === undefined) throw withoutPictures(join(root, name), others);
    for (const file of pictures) samples.push({ file, label });
  }
  if (samples.length === 0) throw withoutPictures(join(root, folders[0]!), []);
  return { root, classes: known, samples, remarks: leftOut.lines() };
}

/** Checks that there are enough class folders. */
function checkFolders(root: string, folders: readonly string[], classes: readonly string[] | undefined): void {
  if (folders.length === 0) throw withoutFolders(root);
  checkNotSplit(root, folders, classes);
}

function withoutFolders(root: string): SenetError {
  const { files } = list(root);
  const pictures = files.filter(isPictureName).length;
  const what = pictures > 0 ? "the pictures are not in class folders" : "there are no pictures in the folder";
  return new SenetError("data", files.length === 0 ? "the folder is empty" : what, {
    where: root,
    expected: "one folder per class, with its pictures in it",
    found:
      files.length === 0 ? "nothing" : `${pictures} pictures and ${files.length - pictures} other files, no folders`,
    hint: pickledHint(files) ?? `make a folder for each class, such as ${join(root, "cat")} and ${join(root, "dog")}`,
  });
}

/** Refuses a folder with `train/` and `val/`, whose class folders are one level further down. */
function checkNotSplit(root: string, folders: readonly string[], classes: readonly string[] | undefined): void {
  const { train, val } = splitNames(folders);
  const measured = val ?? train;
  if (measured === undefined || (classes === undefined && (train === undefined || val === undefined))) return;
  const find = classFinder(classes ?? []);
  if (folders.some((name) => find(name) !== undefined)) return;
  throw new SenetError("data", "this folder is split into parts, and one of them is needed", {
    where: root,
    expected: "one folder per class, with its pictures in it",
    found: quote(folders),
    hint: `${option("data")} ${join(root, measured)}`,
  });
}

function withoutPictures(folder: string, others: readonly string[]): SenetError {
  return new SenetError("data", "a class has no pictures", {
    where: folder,
    expected: `files ending in ${pictureExtensions.join(", ")}`,
    found: others.length === 0 ? "an empty folder" : quote(others),
    hint: `add pictures, or remove the folder "${basename(folder)}"`,
  });
}

/** Used for paths that nothing else handles; refuses anything but a folder. */
export const pictureFolder: DatasetKind = {
  name: "one folder a class",
  detect: () => true,
  open: openFolder,
  hasParts: false,
};
