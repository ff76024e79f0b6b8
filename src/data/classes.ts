/** Which class a name means. */

import { SenetError } from "../errors.ts";

/** The WordNet id that a name of an ImageNet class starts with: `n02119789` of `n02119789 kit fox`. */
export function wordnetId(name: string): string | undefined {
  return /^n\d{8}(?=\s|$)/.exec(name)?.[0];
}

/**
 * A name in the one form that equal names share: `é` is one character here and two there (Macs and ZIP archives write
 * `e` and an accent), and looks the same.
 */
export const sameForm = (name: string): string => name.normalize("NFC");

/**
 * Finds the index of the class that a name means: the class of that name, or of the same in another Unicode form, or else
 * the one with its WordNet id.
 * @throws SenetError `data` (what it returns does) for a name that several classes have
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
      hint: "--labels FILE, with a name for each, or with WordNet ids",
    });
  };
}

/** Up to five names in quotation marks, then how many more there are. */
export const quote = (names: readonly string[]): string => some(names.map((name) => `"${name}"`));

/** Up to five of them, then how many more there are. */
export function some(texts: readonly string[]): string {
  const shown = texts.slice(0, 5);
  if (texts.length > shown.length) shown.push(`and ${texts.length - shown.length} more`);
  return shown.join(", ");
}
