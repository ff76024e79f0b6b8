/** Pictures in folders: one folder a class, as torchvision's `ImageFolder` reads them. */

import { basename, join } from "node:path";
import { SenetError } from "../errors.ts";
import { isPictureName, pictureExtensions } from "../images/format.ts";
import { nearestNames } from "../names.ts";
import { annotationsIn, openAnnotated } from "./annotations.node.ts";
import { classFinder, quote, sameForm } from "./classes.ts";
import type { PictureFolder, Sample } from "./dataset.ts";
import { LeftOut } from "./left-out.ts";
import { splitNames } from "./split-names.ts";
import { list, Walk } from "./walk.node.ts";

export interface OpenFolderOptions {
  /**
   * The classes of a network, whose labels the samples get; class folders need not be there for all of them, and may be
   * empty. A folder is named as its class, or has its WordNet id: `n02119789` is the class `n02119789 kit fox`, at
   * whatever index it stands. Absent: the classes are the folders, sorted by name.
   */
  readonly classes?: readonly string[];
}

/**
 * Lists the pictures of a folder with one folder a class; pictures may lie deeper within it. Files are taken for pictures
 * by their names, or by their first bytes where the name says nothing. Names that start with a dot are passed over.
 * @throws SenetError `data` where the folder is missing or empty, has a single class, has a class without pictures, or
 * (with `classes`) a class that those lack
 */
export function openFolder(root: string, { classes }: OpenFolderOptions = {}): PictureFolder {
  const annotations = annotationsIn(root);
  if (annotations !== undefined) return openAnnotated(root, annotations, classes);
  const leftOut = new LeftOut();
  const walk = new Walk(root, leftOut);
  const folders = walk.classFolders();
  checkFolders(root, folders, classes);
  const known = classes ?? folders;
  const find = classFinder(known);
  checkKnown(root, folders, known, find);
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

/** There are class folders, and enough of them. */
function checkFolders(root: string, folders: readonly string[], classes: readonly string[] | undefined): void {
  if (folders.length === 0) throw withoutFolders(root);
  checkNotSplit(root, folders, classes);
  if (classes !== undefined) return;
  if (folders.length === 1) {
    throw new SenetError("data", "there is only one class, so there is nothing to tell apart", {
      where: root,
      expected: "two class folders or more",
      found: `only ${quote(folders)}`,
      hint: "add a folder for each further class",
    });
  }
  const forms = new Map<string, string>();
  for (const name of folders) {
    const form = sameForm(name);
    if (forms.has(form)) {
      throw new SenetError("data", "two class folders have the same name but for its Unicode form", {
        where: root,
        found: quote([name]),
        hint: "move the pictures of one into the other",
      });
    }
    forms.set(form, name);
  }
}

function withoutFolders(root: string): SenetError {
  const { files } = list(root);
  const pictures = files.filter(isPictureName).length;
  return new SenetError("data", pictures > 0 ? "the pictures are not in class folders" : "the folder is empty", {
    where: root,
    expected: "one folder per class, with its pictures in it",
    found:
      files.length === 0 ? "nothing" : `${pictures} pictures and ${files.length - pictures} other files, no folders`,
    hint: `make a folder for each class, such as ${join(root, "cat")} and ${join(root, "dog")}`,
  });
}

/** A data set that is split has its class folders one level down. */
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
    hint: `--data ${join(root, measured)}`,
  });
}

/** Each class folder is one of the classes known. */
function checkKnown(
  root: string,
  folders: readonly string[],
  known: readonly string[],
  find: (name: string) => number | undefined,
): void {
  const unknown = folders.filter((name) => find(name) === undefined);
  if (unknown.length === 0) return;
  const near = nearestNames(unknown[0]!, known);
  throw new SenetError("data", `${unknown.length} of the class folders are not classes of the network`, {
    where: root,
    expected: `folders among its ${known.length} classes: ${quote(known)}`,
    found: quote(unknown),
    hint: `rename or remove them; nearest to "${unknown[0]}" are ${quote(near)}`,
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
