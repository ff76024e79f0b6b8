/** Matches names to classes. */

import { option, SenetError } from "../errors.ts";
import { nearestNames } from "../names.ts";
import type { Numbered, Numbering } from "./dataset.ts";

/** The WordNet id at the start of an ImageNet class name: `n02119789` of `n02119789 kit fox`. */
function wordnetId(name: string): string | undefined {
  return /^n\d{8}(?=\s|$)/.exec(name)?.[0];
}

/**
 * Normalises a name to NFC: `é` may be one character or two (Macs and ZIP archives write `e` and an accent), which look
 * the same.
 */
export const sameForm = (name: string): string => name.normalize("NFC");

/**
 * Finds the index of the class that a name means: the class with that name (in any Unicode form), or else the one with
 * its WordNet id.
 * @throws SenetError `data` (thrown by the returned function) for a name that several classes share
 */
export function classFinder(classes: readonly string[]): (name: string) => number | undefined {
  const byName = new Map(classes.map((name, label) => [name, label]));
  const twins = new Set(classes.filter((name, label) => byName.get(name) !== label));
  const byForm = new Map(classes.map((name, label) => [sameForm(name), label]));
  const byId = new Map<string, number>();
  for (const [label, name] of classes.entries()) {
    const id = wordnetId(name);
    if (id !== undefined) byId.set(id, label);
  }
  const find = (name: string) => byName.get(name) ?? byForm.get(sameForm(name)) ?? byId.get(wordnetId(name) ?? "");
  return (name) => {
    const label = find(name);
    if (label === undefined || !twins.has(classes[label]!)) return label;
    throw new SenetError("data", "several classes of the network have this name, so it does not tell which is meant", {
      where: name.slice(0, 200),
      hint: `${option("labels")} FILE, with a name for each, or with WordNet ids`,
    });
  };
}

/** Up to five names in quotation marks, then how many more there are. */
export const quote = (names: readonly string[]): string => some(names.map((name) => `"${name}"`));

/** Up to five of the texts, then how many more there are. */
export function some(texts: readonly string[]): string {
  const shown = texts.slice(0, 5);
  if (texts.length > shown.length) shown.push(`and ${texts.length - shown.length} more`);
  return shown.join(", ");
}

/** Class names, and the label of each. */
export interface Classes {
  readonly classes: readonly string[];
  readonly find: (name: string) => number | undefined;
}

/**
 * The classes for class folders: the given network's, or else the folders' names.
 * @param where the folder or the archive
 * @throws SenetError `data` where the names cannot be classes, or the network lacks one of them
 */
export function openClasses(where: string, names: readonly string[], classes?: readonly string[]): Classes {
  if (classes === undefined) checkNames(where, names);
  const known = classes ?? names;
  const find = classFinder(known);
  const unknown = names.filter((name) => find(name) === undefined);
  if (unknown.length === 0) return { classes: known, find };
  const near = nearestNames(unknown[0]!, known);
  throw new SenetError("data", `${unknown.length} of the class folders are not classes of the network`, {
    where,
    expected: `folders among its ${known.length} classes: ${quote(known)}`,
    found: quote(unknown),
    hint: `rename or remove them; nearest to "${unknown[0]}" are ${quote(near)}`,
  });
}

/** Checks that there are at least two names, and that no two look the same. */
function checkNames(where: string, names: readonly string[]): void {
  if (names.length === 1) {
    throw new SenetError("data", "there is only one class, so there is nothing to tell apart", {
      where,
      expected: "two class folders or more",
      found: `only ${quote(names)}`,
      hint: "add a folder for each further class",
    });
  }
  const forms = new Map<string, string>();
  for (const name of names) {
    const form = sameForm(name);
    if (forms.has(form)) {
      throw new SenetError("data", "two class folders have names that differ only in their Unicode form", {
        where,
        found: quote([name]),
        hint: "move the pictures of one into the other",
      });
    }
    forms.set(form, name);
  }
}

/**
 * The labels of pictures whose classes are given by number.
 * @param classes the network's class names
 * @param numbered the classes that the numbers stand for; default: `classes`
 * @param where describes the place of each number, for errors
 * @throws SenetError `data` where a number has no class, or the network lacks that class
 */
export function labelsOfNumbers(
  entries: readonly Numbered[],
  classes: readonly string[],
  numbered: Numbering = classes,
  where: (entry: number) => string,
): number[] {
  const names = typeof numbered === "function" ? numbered(entries) : numbered;
  const find = classFinder(classes);
  return entries.map(({ number }, i) => {
    if (!(number < names.length)) {
      throw new SenetError("data", "there is no class of this number", {
        where: where(i),
        expected: `0 to ${names.length - 1}`,
        found: `${number}`,
        hint: "the numbers start at 0; a network of other classes needs other numbers",
      });
    }
    const label = find(names[number]!);
    if (label !== undefined) return label;
    throw new SenetError("data", "the class of this picture is not one of the network's", {
      where: where(i),
      found: `${number}, which is "${names[number]}"`,
      hint: "evaluate a network of these classes, or remove the pictures of other classes",
    });
  });
}
