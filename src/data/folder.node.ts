/** Pictures in folders: one folder a class, as torchvision's `ImageFolder` reads them. */

import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { SenetError } from "../errors.ts";
import { isPictureName, pictureExtensions } from "../images/decode.node.ts";
import { nearestNames } from "../names.ts";
import { classFinder } from "./classes.ts";

export interface Sample {
  /** The path of the picture. */
  readonly file: string;
  /** The index of its class in `classes`. */
  readonly label: number;
}

export interface PictureFolder {
  readonly root: string;
  /** The class names; a label is an index into them. */
  readonly classes: readonly string[];
  /** Class by class, each by name. */
  readonly samples: readonly Sample[];
}

export interface OpenFolderOptions {
  /**
   * The classes of a network, whose labels the samples get; class folders need not be there for all of them. A folder
   * is named as its class, or has its WordNet id: `n02119789` is the class `n02119789 kit fox`, at whatever index it
   * stands. Absent: the classes are the folders, sorted by name.
   */
  readonly classes?: readonly string[];
}

/**
 * Lists the pictures of a folder with one folder a class; pictures may lie deeper within it. Names that start with a
 * dot are passed over. The pictures are not opened.
 * @throws SenetError `data` where the folder is missing or empty, has a single class, has a class without pictures, or
 * (with `classes`) a class that those lack
 */
export function openFolder(root: string, { classes }: OpenFolderOptions = {}): PictureFolder {
  const folders = classFolders(root);
  if (classes === undefined && folders.length === 1) {
    throw new SenetError("data", "there is a single class, so there is nothing to tell apart", {
      where: root,
      expected: "two class folders or more",
      found: `only ${quote(folders)}`,
      hint: "add a folder for each further class",
    });
  }
  const known = classes ?? folders;
  const find = classFinder(known);
  checkKnown(root, folders, known, find);
  const samples = folders.flatMap((name) => {
    const label = find(name)!;
    return picturesOf(join(root, name)).map((file): Sample => ({ file, label }));
  });
  return { root, classes: known, samples };
}

export interface TrainingFolders {
  readonly train: PictureFolder;
  /** Its labels are those of `train`. */
  readonly val: PictureFolder;
}

/**
 * Opens `dir/train` and `dir/val`; the classes are those of `train`.
 * @throws SenetError `data` as `openFolder`, and where one of the two is missing
 */
export function openTrainingFolders(dir: string): TrainingFolders {
  const found = list(dir).folders;
  const missing = ["train", "val"].filter((name) => !found.includes(name));
  if (missing.length > 0) {
    throw new SenetError("data", `there is no ${missing.map((name) => `${name}/`).join(" and no ")} here`, {
      where: dir,
      expected: "train/ and val/, each with one folder a class",
      found: found.length === 0 ? "no folders" : quote(found),
      hint: found.includes("train")
        ? "move a part of the pictures (a tenth, say) of each class from train/ to val/, or rename the folder that holds them"
        : "put the class folders into train/, and the pictures to measure with into val/",
    });
  }
  const train = openFolder(join(dir, "train"));
  return { train, val: openFolder(join(dir, "val"), { classes: train.classes }) };
}

/** The names of the folders in `root`, of which there is at least one. */
function classFolders(root: string): string[] {
  const { folders, files } = list(root);
  if (folders.length > 0) return folders;
  const pictures = files.filter(isPictureName).length;
  throw new SenetError("data", pictures > 0 ? "the pictures are not in class folders" : "the folder is empty", {
    where: root,
    expected: "one folder a class, with its pictures in it",
    found:
      files.length === 0 ? "nothing" : `${pictures} pictures and ${files.length - pictures} other files, no folders`,
    hint: `make a folder for each class, such as ${join(root, "cat")} and ${join(root, "dog")}`,
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
  throw new SenetError("data", `${unknown.length} of the class folders are no class of the network`, {
    where: root,
    expected: `folders among its ${known.length} classes: ${quote(known)}`,
    found: quote(unknown),
    hint: `rename or remove them; nearest to "${unknown[0]}" are ${quote(near)}`,
  });
}

/** The pictures in a class folder and below it. */
function picturesOf(root: string): string[] {
  const pictures: string[] = [];
  const others: string[] = [];
  // Folders as a whole are sorted by their path, as torchvision does, before their files.
  const folders = foldersBelow(root).sort(byCodePoint);
  for (const folder of folders) {
    for (const name of list(folder).files) {
      if (isPictureName(name)) pictures.push(join(folder, name));
      else others.push(name);
    }
  }
  if (pictures.length === 0) {
    throw new SenetError("data", "a class has no pictures", {
      where: root,
      expected: `files ending in ${pictureExtensions.join(", ")}`,
      found: others.length === 0 ? "an empty folder" : quote(others),
      hint: `add pictures, or remove the folder "${basename(root)}"`,
    });
  }
  return pictures;
}

function foldersBelow(root: string): string[] {
  const found = [root];
  // A link to a folder above would never end; no picture lies this deep.
  const visit = (folder: string, depth: number) => {
    if (depth > 16) return;
    for (const name of list(folder).folders) {
      found.push(join(folder, name));
      visit(join(folder, name), depth + 1);
    }
  };
  visit(root, 1);
  return found;
}

/** What is in a folder, links followed, each sorted by name; what starts with a dot is not. */
function list(folder: string): { folders: string[]; files: string[] } {
  const folders: string[] = [];
  const files: string[] = [];
  for (const entry of entriesOf(folder)) {
    if (entry.name.startsWith(".")) continue;
    const type = entry.isSymbolicLink() ? statSync(join(folder, entry.name), { throwIfNoEntry: false }) : entry;
    // A link that leads nowhere counts as a file: as a picture it will be reported by name.
    (type?.isDirectory() === true ? folders : files).push(entry.name);
  }
  return { folders: folders.sort(byCodePoint), files: files.sort(byCodePoint) };
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const found = code === "ENOENT" ? "nothing at this path" : code === "ENOTDIR" ? "a file" : String(cause);
    throw new SenetError("data", "the folder cannot be read", {
      where: folder,
      expected: "a folder",
      found,
      hint:
        code === "ENOENT" ? "check the path; it is relative to the folder that the command runs in" : "check the path",
      cause,
    });
  }
}

/** Python's order of strings: by code point, whereas `<` in JavaScript compares UTF-16 units. */
function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function quote(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => `"${name}"`);
  if (names.length > shown.length) shown.push(`and ${names.length - shown.length} more`);
  return shown.join(", ");
}
