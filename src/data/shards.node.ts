/**
 * Pictures in tar archives, read without unpacking: in folders as on disk (`train/CLASS/NAME.jpg`), in WebDataset's
 * layout with a class file next to each picture (`KEY.jpg`, `KEY.cls`), or one archive per class.
 */

import { basename, join } from "node:path";
import { option, SenetError } from "../errors.ts";
import { formatBytes, formatOf, isPictureName } from "../images/format.ts";
import { PictureContainer } from "../images/read.node.ts";
import { archivesNamed, commonFolder, isCompressedName, isTarName } from "./archive-list.node.ts";
import { byCodePoint } from "./by-code-point.ts";
import { classFinder, labelsOfNumbers, openClasses, quote } from "./classes.ts";
import type { Dataset, DatasetKind, OpenOptions, Sample, Source } from "./dataset.ts";
import { isHidden } from "./hidden.ts";
import { LeftOut } from "./left-out.ts";
import { splitNames } from "./split-names.ts";
import { readTar, TarFault } from "./tar.ts";
import { isCompanion, list, statsOf } from "./walk.node.ts";

export const tarArchives: DatasetKind = {
  name: "tar archives of class folders, or of WebDataset",
  detect: (path) => archivesAt(path).length > 0,
  open,
  hasParts: true,
};

/** The archive at the path, those of a pattern or a list, or those of a folder without subfolders. */
function archivesAt(path: string): readonly string[] {
  const named = archivesNamed(path);
  if (named.length > 0) return named;
  const stats = statsOf(path);
  if (stats === undefined) return [];
  if (!stats.isDirectory()) return isTarName(path) || isCompressedName(path) ? [path] : [];
  const { folders, files } = list(path);
  if (folders.length > 0) return [];
  const archives = files.filter(isTarName);
  // Of compressed archives alone, it is said that they are.
  return (archives.length > 0 ? archives : files.filter(isCompressedName)).map((name) => join(path, name));
}

/** A picture in an archive. */
interface Packed {
  readonly archive: string;
  /** Path in the archive. */
  readonly name: string;
  readonly start: number;
  readonly length: number;
  /** Content of its `.cls` file. */
  readonly told: string | undefined;
}

function open(path: string, options: OpenOptions): Dataset {
  const leftOut = new LeftOut();
  const remarks: string[] = [];
  const archives = archivesAt(path);
  const root = archivesNamed(path).length > 0 ? commonFolder(archives) : path;
  const all = archives.flatMap((archive) => picturesIn(archive, leftOut, remarks));
  if (all.length === 0) throw new SenetError("data", "there are no pictures in the archive", { where: root });
  const placed = partOf(root, withoutTop(all.map(placeOf), options), options.part, archives.length > 1, remarks);
  const { classes, labels, used, isNumbered } = labelled(root, placed, options, remarks);
  const samples = used.map(({ picture: { archive, name, start, length } }, i): Sample => {
    const source = { kind: "range", file: archive, start, length } as const;
    return { file: join(archive, name), label: labels[i]!, source };
  });
  // As with folders: sorted by class, then by name.
  samples.sort((a, b) => a.label - b.label || byCodePoint(a.file, b.file));
  return { root, classes, samples, isNumbered, remarks: [...remarks, ...leftOut.lines()] };
}

/** All pictures in archives, ignoring classes. */
export function archivedPictures(path: string): readonly { readonly name: string; readonly source: Source }[] {
  const found = archivesAt(path).flatMap((archive) => picturesIn(archive, new LeftOut(), []));
  return found.map(({ archive, name, start, length }) => ({
    name: join(archive, name),
    source: { kind: "range", file: archive, start, length },
  }));
}

/** The pictures in an archive; each name once. */
function picturesIn(archive: string, leftOut: LeftOut, remarks: string[]): Packed[] {
  if (!isTarName(archive)) throw compressed(archive);
  const container = new PictureContainer(archive);
  const read = (start: number, length: number) => container.read(start, length);
  try {
    const { entries, isEnded } = readTar(read, container.size);
    if (!isEnded) remarks.push(`${archive} does not say where it ends: it may have been cut off`);
    const files = new Map<string, { start: number; length: number }>();
    let twice = 0;
    for (const { name, kind, start, length } of entries) {
      if (kind === "folder" || name.split("/").some(isHidden)) continue;
      if (kind === "other") leftOut.special(join(archive, name));
      else {
        if (files.has(name)) twice++;
        files.set(name, { start, length });
      }
    }
    if (twice > 0)
      remarks.push(
        `${archive} has ${twice === 1 ? "a name" : `${twice} names`} more than once; the last of each counts, as in unpacking`,
      );
    const pictures: Packed[] = [];
    for (const [name, { start, length }] of files) {
      if (isPicture(name, () => read(start, Math.min(length, formatBytes)))) {
        const cls = files.get(`${keyOf(name)}.cls`);
        const told = cls === undefined ? undefined : classIn(read, cls, join(archive, `${keyOf(name)}.cls`));
        pictures.push({ archive, name, start, length, told });
      } else if (!isCompanion(name)) leftOut.other(join(archive, name));
    }
    return pictures;
  } catch (cause) {
    if (!(cause instanceof TarFault)) throw cause;
    throw new SenetError("data", "the archive is damaged or cut off, or is not a tar archive", {
      where: archive,
      found: cause.message,
      hint: "get the file again",
      cause,
    });
  } finally {
    container.close();
  }
}

const isPicture = (name: string, start: () => Uint8Array): boolean =>
  isPictureName(name) || (!isCompanion(name) && formatOf(start()) !== undefined);

/** WebDataset's key of a file: its path up to the first dot of the name. */
const keyOf = (name: string): string => /^(?:.*\/)?[^/.]*/.exec(name)![0];

function classIn(
  read: (start: number, length: number) => Uint8Array,
  { start, length }: { readonly start: number; readonly length: number },
  where: string,
): string {
  const most = 200;
  const text = length > most ? "" : new TextDecoder().decode(read(start, length)).trim();
  if (text !== "") return text;
  throw new SenetError("data", "the class of a picture cannot be read", {
    where,
    expected: `a number or a name, of at most ${most} bytes`,
    found: `${length} bytes`,
  });
}

function compressed(archive: string): SenetError {
  return new SenetError("data", "the archive is compressed, so that pictures cannot be read from the middle of it", {
    where: archive,
    expected: "an archive that ends in .tar",
    hint: "decompress it (gunzip makes a .tar of a .tar.gz), or unpack it",
  });
}

/** A picture and those of its folders that say something about its class. */
interface Placed {
  readonly picture: Packed;
  readonly folders: readonly string[];
}

const placeOf = (picture: Packed): Placed => ({ picture, folders: picture.name.split("/").slice(0, -1) });

/** Removes folders that all pictures share: archives often have one top-level folder named like the data set. */
function withoutTop(placed: readonly Placed[], { classes }: OpenOptions): readonly Placed[] {
  const find = classFinder(classes ?? []);
  for (;;) {
    const top = placed[0]!.folders[0];
    const isShared = placed.every(({ folders }) => folders.length > 1 && folders[0] === top);
    if (!isShared || isPartName(top!) || find(top!) !== undefined) return placed;
    placed = placed.map(({ picture, folders }) => ({ picture, folders: folders.slice(1) }));
  }
}

const isPartName = (name: string): boolean => Object.values(splitNames([name])).some((part) => part !== undefined);

/** The pictures of a part, from the names of the archives (`train-0001.tar`) or of their top-level folders. */
function partOf(
  root: string,
  placed: readonly Placed[],
  part: OpenOptions["part"],
  isSharded: boolean,
  remarks: string[],
): readonly Placed[] {
  const byArchive = new Map(placed.map(({ picture: { archive } }) => [archive, partInName(basename(archive))]));
  const isByArchive = isSharded && [...byArchive.values()].every((name) => name !== undefined);
  const nameOf = ({ picture, folders }: Placed) =>
    isByArchive
      ? byArchive.get(picture.archive)!
      : folders.length > (picture.told === undefined ? 1 : 0)
        ? folders[0]!
        : "";
  const names = [...new Set(placed.map(nameOf))];
  const { train, val } = splitNames(names);
  const isSplit = (train !== undefined && val !== undefined) || names.every(isPartName);
  if (part === "undivided" && !isSplit) return placed;
  const wanted = part === undefined ? (val ?? train) : { train, val, undivided: train }[part];
  if (part !== undefined && (!isSplit || wanted === undefined)) {
    throw new SenetError("data", "the archives have no training and validation parts", {
      where: root,
      expected: "folders train/ and val/ in an archive, or archives called train-... and val-...",
      found: quote(isSharded ? [...byArchive.keys()].map((path) => basename(path)) : topsOf(placed)),
      hint: `${option("valSplit")} 0.1 keeps a tenth of each class back to validate with`,
    });
  }
  if (!isSplit) return placed;
  if (part === undefined && names.length > 1)
    remarks.push(`of ${quote(names.sort(byCodePoint))}, "${wanted}" is what is measured`);
  const chosen = placed.filter((place) => nameOf(place) === wanted);
  return isByArchive ? chosen : chosen.map(({ picture, folders }) => ({ picture, folders: folders.slice(1) }));
}

/** The part in an archive's name: `train` of `imagenet-train-0001.tar`. */
const partInName = (name: string): string | undefined => name.split(/[^a-z]+/i).find(isPartName);

const topsOf = (placed: readonly Placed[]): string[] =>
  [...new Set(placed.map(({ folders }) => folders[0] ?? "pictures in no folder"))].sort(byCodePoint);

interface Labelled {
  readonly classes: readonly string[];
  /** Labels of `used`. */
  readonly labels: readonly number[];
  readonly used: readonly Placed[];
  readonly isNumbered: boolean;
}

function labelled(root: string, placed: readonly Placed[], options: OpenOptions, remarks: string[]): Labelled {
  if (placed.some(({ picture }) => picture.told !== undefined)) return byTold(root, placed, options);
  const inFolders = placed.filter(({ folders }) => folders.length > 0);
  const isArchives = inFolders.length === 0 && new Set(placed.map(({ picture }) => picture.archive)).size > 1;
  const used = isArchives ? placed : inFolders;
  const nameOf = ({ picture, folders }: Placed) => (isArchives ? basename(picture.archive).slice(0, -4) : folders[0]!);
  if (used.length === 0) {
    throw new SenetError("data", "the pictures are not in class folders", {
      where: root,
      expected: "a folder a class in the archive, or a .cls file beside each picture",
      found: `${placed.length} pictures, such as ${placed[0]!.picture.name}`,
    });
  }
  const loose = placed.length - used.length;
  if (loose > 0) {
    const { archive, name } = placed.find(({ folders }) => folders.length === 0)!.picture;
    remarks.push(
      `${loose === 1 ? "1 picture that is" : `${loose} pictures that are`} in no class folder left out, such as ${join(archive, name)}`,
    );
  }
  const names = [...new Set(used.map(nameOf))].sort(byCodePoint);
  const { classes, find } = openClasses(root, names, options.classes);
  const labels = new Map(names.map((name) => [name, find(name)!]));
  return { classes, labels: used.map((place) => labels.get(nameOf(place))!), used, isNumbered: false };
}

/** More than the number of classes in any data set. */
const mostClasses = 100_000;

/** Labels from `.cls` files, which hold numbers or names. */
function byTold(root: string, placed: readonly Placed[], { classes, numbered }: OpenOptions): Labelled {
  const keys = new Set<string>();
  for (const { picture } of placed) {
    const key = join(picture.archive, keyOf(picture.name));
    const what = picture.told === undefined ? "a picture has no .cls beside it" : "two pictures have the same .cls";
    if (picture.told === undefined || keys.has(key)) {
      throw new SenetError("data", what, {
        where: join(picture.archive, picture.name),
        expected: `${key}.cls for it alone`,
      });
    }
    keys.add(key);
  }
  const told = placed.map(({ picture }) => picture.told!);
  if (!told.every((text) => /^\d{1,9}$/.test(text))) {
    const names = [...new Set(told)].sort(byCodePoint);
    const { classes: known, find } = openClasses(root, names, classes);
    const labels = new Map(names.map((name) => [name, find(name)!]));
    return { classes: known, labels: told.map((name) => labels.get(name)!), used: placed, isNumbered: false };
  }
  const entries = placed.map(({ picture }, i) => ({ name: picture.name, number: Number(told[i]) }));
  const where = (i: number) => join(placed[i]!.picture.archive, `${keyOf(placed[i]!.picture.name)}.cls`);
  const most = entries.reduce((found, { number }) => Math.max(found, number), 0);
  const known = classes ?? Array.from({ length: Math.min(most + 1, mostClasses) }, (_, i) => `${i}`);
  return { classes: known, labels: labelsOfNumbers(entries, known, numbered, where), used: placed, isNumbered: true };
}
