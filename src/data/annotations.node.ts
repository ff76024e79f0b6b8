/**
 * Pictures whose classes are in a text file, as in Tiny ImageNet's validation set: `val_annotations.txt` with one
 * tab-separated line per picture (name, class, box), and the pictures in `images/`.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { SenetError } from "../errors.ts";
import { readBytesSync } from "../files/files.node.ts";
import { decodeText, linesOf } from "../text-file.ts";
import { byCodePoint } from "./by-code-point.ts";
import { classFinder, quote } from "./classes.ts";
import type { Dataset, DatasetKind, OpenOptions, Sample } from "./dataset.ts";
import { fileNamed } from "./walk.node.ts";

export const annotatedPictures: DatasetKind = {
  name: "Tiny ImageNet's val/",
  detect: (path) => existsSync(annotationsIn(path)) && existsSync(join(path, "images")),
  open: openAnnotated,
  hasParts: false,
};

const annotationsIn = (root: string): string => join(root, "val_annotations.txt");

/**
 * @param classes labels are indices into these; default: the named classes, sorted
 * @throws SenetError `data` where a line cannot be parsed, a class is unknown, or a picture is missing
 */
function openAnnotated(root: string, { classes }: OpenOptions): Dataset {
  const file = annotationsIn(root);
  const lines = linesOf(decodeText(readBytesSync(file, "the annotations cannot be read")));
  const found = lines.flatMap((line, i) => {
    if (line.trim() === "") return [];
    const [picture, name] = line.split("\t");
    if (picture !== undefined && picture !== "" && name !== undefined && name !== "") return [{ picture, name }];
    throw new SenetError("data", "this is not a line of annotations", {
      where: `${file}, line ${i + 1}`,
      expected: "the name of a picture and its class, with a tab between",
      found: line.slice(0, 80),
    });
  });
  const known = classes ?? [...new Set(found.map(({ name }) => name))].sort(byCodePoint);
  const find = classFinder(known);
  const unknown = [...new Set(found.map(({ name }) => name).filter((name) => find(name) === undefined))];
  if (unknown.length > 0) {
    throw new SenetError("data", `${unknown.length} of the annotated classes are not classes of the network`, {
      where: file,
      expected: `names among its ${known.length} classes: ${quote(known)}`,
      found: quote(unknown),
    });
  }
  const folder = join(root, "images");
  const samples: Sample[] = [];
  const missing: string[] = [];
  for (const { picture, name } of found) {
    const path = fileNamed(folder, picture);
    if (path === undefined) missing.push(picture);
    else samples.push({ file: path, label: find(name)! });
  }
  if (missing.length > 0 || samples.length === 0) {
    throw new SenetError("data", "annotated pictures are missing", {
      where: file,
      expected: `${found.length} pictures in ${folder}`,
      found: found.length === 0 ? "no line" : `${samples.length}; the first missing is ${missing[0]}`,
    });
  }
  const remarks = [`the classes of the pictures in ${folder} are read from ${file}`];
  return { root, classes: known, samples: samples.sort((a, b) => a.label - b.label), remarks };
}
