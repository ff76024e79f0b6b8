/**
 * CIFAR-10 and CIFAR-100 in their binary form. A record is one or two label bytes and 3,072 bytes of pixels: a red, a
 * green and a blue plane of 32 × 32, each row by row (https://www.cs.toronto.edu/~kriz/cifar.html).
 */

import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { option, SenetError } from "../errors.ts";
import { readBytesSync } from "../files/files.node.ts";
import { PictureContainer } from "../images/read.node.ts";
import { decodeText, linesOf } from "../text-file.ts";
import { byCodePoint } from "./by-code-point.ts";
import { classFinder, quote } from "./classes.ts";
import type { Dataset, DatasetKind, OpenOptions, Part, Sample } from "./dataset.ts";
import { list, statsOf } from "./walk.node.ts";

interface Layout {
  readonly name: string;
  readonly files: Readonly<Record<Part, RegExp>>;
  readonly classes: number;
  /** Name of the file next to the data with the class names, one per line. */
  readonly names: string;
  /** Label bytes before the pixels; the last one is the class. */
  readonly labelBytes: number;
}

const layouts: readonly Layout[] = [
  {
    name: "CIFAR-10",
    files: { train: /^data_batch_\d+\.bin$/, val: /^test_batch\.bin$/ },
    classes: 10,
    names: "batches.meta.txt",
    labelBytes: 1,
  },
  {
    // The coarse label, which is not needed, then the fine one.
    name: "CIFAR-100",
    files: { train: /^train\.bin$/, val: /^test\.bin$/ },
    classes: 100,
    names: "fine_label_names.txt",
    labelBytes: 2,
  },
];

/** A hint for files that are CIFAR in its other form, Python's pickles, which is downloaded more often. */
export function pickledHint(files: readonly string[]): string | undefined {
  const pickles = [
    ["cifar-10-binary.tar.gz", ["batches.meta", "data_batch_1", "test_batch"]],
    ["cifar-100-binary.tar.gz", ["meta", "test", "train"]],
  ] as const;
  const found = pickles.find(([, names]) => names.every((name) => files.includes(name)));
  return found && `these are CIFAR's pickles for Python; its binary version is read (${found[0]}, unpacked)`;
}

const side = 32;
const pixelBytes = 3 * side * side;

export const cifar: DatasetKind = {
  name: "CIFAR-10 and CIFAR-100 (binary version)",
  detect: (path) => found(path) !== undefined,
  open,
  hasParts: true,
};

interface Found {
  readonly layout: Layout;
  readonly folder: string;
  readonly names: readonly string[];
}

/** The data files at the path: the file itself, or those in a folder without subfolders. */
function found(path: string): Found | undefined {
  const stats = statsOf(path);
  if (stats === undefined) return undefined;
  const isFolder = stats.isDirectory();
  const listing = isFolder ? list(path) : { folders: [], files: [basename(path)] };
  if (listing.folders.length > 0) return undefined;
  for (const layout of layouts) {
    const names = listing.files.filter((name) => Object.values(layout.files).some((pattern) => pattern.test(name)));
    if (names.length > 0) return { layout, folder: isFolder ? path : dirname(path), names };
  }
  return undefined;
}

function open(root: string, { classes, part }: OpenOptions): Dataset {
  const { layout, folder, names } = found(root)!;
  const remarks: string[] = [];
  const own = classNames(layout, folder, classes, remarks);
  const known = classes ?? own;
  const find = classFinder(known);
  const labels = own.map(find);
  const unknown = own.filter((_, i) => labels[i] === undefined);
  if (unknown.length > 0) {
    throw new SenetError("data", `${unknown.length} of the classes of ${layout.name} are not classes of the network`, {
      where: root,
      expected: `names among its ${known.length} classes: ${quote(known)}`,
      found: quote(unknown),
      hint: `${option("labels")} ${join(folder, layout.names)}, where the network was trained on these pictures`,
    });
  }
  const samples: Sample[] = [];
  for (const name of filesOf(root, layout, names, part, remarks)) {
    const file = join(folder, name);
    for (const [i, number] of numbersIn(file, layout).entries()) {
      const start = i * (layout.labelBytes + pixelBytes) + layout.labelBytes;
      const source = { kind: "pixels", file, start, width: side, height: side } as const;
      samples.push({ file: join(file, `${i}`), label: labels[number]!, source });
    }
  }
  return { root, classes: known, samples, isNumbered: true, remarks };
}

/** The files of the wanted part. */
function filesOf(
  root: string,
  { files }: Layout,
  names: readonly string[],
  part: OpenOptions["part"],
  remarks: string[],
): readonly string[] {
  const of = (wanted: Part) => names.filter((name) => files[wanted].test(name)).sort(byNumber);
  if (part !== undefined) {
    const chosen = of(part === "val" ? "val" : "train");
    if (chosen.length > 0) return chosen;
    throw new SenetError("data", `the pictures to ${part === "val" ? "validate with" : "train on"} are missing`, {
      where: root,
      expected: `files such as ${part === "val" ? "test_batch.bin or test.bin" : "data_batch_1.bin or train.bin"}`,
      found: quote(names),
    });
  }
  const [train, val] = [of("train"), of("val")];
  if (train.length > 0 && val.length > 0)
    remarks.push(`${val.join(", ")} is what is measured, not the training pictures`);
  return val.length > 0 ? val : train;
}

/** Sorts `data_batch_10.bin` after `data_batch_2.bin`. */
const byNumber = (a: string, b: string): number => a.length - b.length || byCodePoint(a, b);

/** The class names by number: from the file next to the data, or the network's, or the numbers. */
function classNames(
  { name, classes: count, names }: Layout,
  folder: string,
  classes: readonly string[] | undefined,
  remarks: string[],
): readonly string[] {
  const file = join(folder, names);
  if (existsSync(file)) {
    const lines = linesOf(decodeText(readBytesSync(file, "the names of the classes cannot be read"))).map((line) =>
      line.trim(),
    );
    if (lines.length === count && new Set(lines).size === count && !lines.includes("")) return lines;
    throw new SenetError("data", `these are not the names of the classes of ${name}`, {
      where: file,
      expected: `${count} different lines`,
      found: `${lines.length}, ${new Set(lines).size} of them different`,
    });
  }
  if (classes?.length === count) {
    remarks.push(`there is no ${names}: the class numbers are assumed to be the network's`);
    return classes;
  }
  remarks.push(`there is no ${names}: the classes are named by their numbers`);
  return Array.from({ length: count }, (_, i) => `${i}`);
}

/** The class of each picture. @throws SenetError `data` where the file has another format or was cut off */
function numbersIn(file: string, { name, labelBytes, classes }: Layout): Uint8Array {
  const record = labelBytes + pixelBytes;
  const container = new PictureContainer(file);
  try {
    const { size } = container;
    if (size === 0 || size % record !== 0) {
      throw new SenetError("data", `the file ends in the middle of a picture, or does not belong to ${name}`, {
        where: file,
        expected: `a multiple of ${record} bytes`,
        found: `${size} bytes: ${Math.floor(size / record)} pictures and ${size % record} bytes`,
        hint: "get the file again",
      });
    }
    const numbers = new Uint8Array(size / record);
    for (let first = 0; first < numbers.length; first += recordsAtOnce) {
      const count = Math.min(recordsAtOnce, numbers.length - first);
      const bytes = container.read(first * record, count * record);
      for (let i = 0; i < count; i++) numbers[first + i] = bytes[i * record + labelBytes - 1]!;
    }
    const wrong = numbers.findIndex((number) => number >= classes);
    if (wrong < 0) return numbers;
    throw new SenetError("data", `the file is none of ${name}, or is damaged`, {
      where: file,
      expected: `classes from 0 to ${classes - 1}`,
      found: `${numbers[wrong]} for picture ${wrong}`,
      hint: "get the file again",
    });
  } finally {
    container.close();
  }
}

/** Records read at once. */
const recordsAtOnce = 1024;
