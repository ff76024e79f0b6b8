/** The user's pictures by class. They stay in this page's memory, as the original files. */

import { type HeldBack, holdOut } from "#senet/data/hold-out.ts";

export interface OwnPicture {
  readonly id: number;
  /** Unique within its class. */
  readonly name: string;
  readonly file: Blob;
  /** Address within this page, to display it. */
  readonly url: string;
  /** Training or validation, if the folders say so; otherwise a fifth of each class is kept back for validation. */
  readonly part: Part | undefined;
}

export type Part = "train" | "val";

/** An added picture that cannot be decoded. */
export interface LeftOut {
  readonly name: string;
  readonly reason: string;
}

export interface PictureClass {
  readonly id: number;
  readonly name: string;
  readonly pictures: readonly OwnPicture[];
  readonly leftOut: readonly LeftOut[];
}

/** An added picture, with the folder that it was in, if any. */
export interface NewPicture {
  readonly name: string;
  readonly file: Blob;
  readonly part?: Part | undefined;
}

let ids = 0;
export const nextId = (): number => ids++;

export const newClass = (name: string): PictureClass => ({ id: nextId(), name, pictures: [], leftOut: [] });

/** A name that is not taken: `cat (2).jpg`. */
function freeName(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  const [, stem = name, ending = ""] = /^(.*?)(\.\w+)?$/s.exec(name) ?? [];
  for (let i = 2; ; i++) {
    const other = `${stem} (${i})${ending}`;
    if (!taken.has(other)) return other;
  }
}

export function withPictures(group: PictureClass, added: readonly NewPicture[]): PictureClass {
  const taken = new Set(group.pictures.map(({ name }) => name));
  const pictures = added.map(({ name, file, part }): OwnPicture => {
    const free = freeName(name, taken);
    taken.add(free);
    return { id: nextId(), name: free, file, url: URL.createObjectURL(file), part };
  });
  return { ...group, pictures: [...group.pictures, ...pictures] };
}

export function withoutPicture(group: PictureClass, id: number): PictureClass {
  for (const picture of group.pictures) if (picture.id === id) URL.revokeObjectURL(picture.url);
  return { ...group, pictures: group.pictures.filter((picture) => picture.id !== id) };
}

/** Frees the memory of its pictures. */
export function release(group: PictureClass): void {
  for (const { url } of group.pictures) URL.revokeObjectURL(url);
}

/** The class without this picture, which is recorded as one that cannot be decoded. */
export function withoutUnusable(group: PictureClass, { name, reason }: LeftOut): PictureClass {
  const picture = group.pictures.find((each) => each.name === name);
  if (picture === undefined) return group;
  return { ...withoutPicture(group, picture.id), leftOut: [...group.leftOut, { name, reason }] };
}

/** The classes, with added folders: new classes, or more pictures for classes of the same name. */
export function withNames(classes: readonly PictureClass[], names: readonly string[]): PictureClass[] {
  // Classes without pictures have not been used yet.
  const kept = classes.filter(
    ({ name, pictures, leftOut }) => pictures.length + leftOut.length > 0 || names.includes(name),
  );
  const missing = names.filter((name) => !kept.some((group) => group.name === name)).sort();
  return [...kept, ...missing.map(newClass)];
}

export interface Split {
  readonly train: readonly OwnPicture[];
  readonly val: readonly OwnPicture[];
}

/**
 * How a run keeps pictures back if the folders do not say it: by the library's rule, so that Node keeps back the same
 * ones.
 */
export const keptBack: HeldBack = { valSplit: 0.2, seed: 0 };

const splits = new WeakMap<PictureClass, { readonly by: HeldBack; readonly split: Split }>();

/** Splits a class as the folders say, or by the rule with which a run keeps pictures back. */
export function split(group: PictureClass, by: HeldBack): Split {
  const known = splits.get(group);
  if (known?.by.valSplit === by.valSplit && known.by.seed === by.seed) return known.split;
  const { pictures } = group;
  const val = hasOwnVal(group) ? pictures.filter(({ part }) => part === "val") : heldOut(group, by);
  const held = new Set(val);
  const made = { train: pictures.filter((picture) => !held.has(picture)), val };
  splits.set(group, { by, split: made });
  return made;
}

export const hasOwnVal = ({ pictures }: PictureClass): boolean => pictures.some(({ part }) => part === "val");

function heldOut({ name, pictures }: PictureClass, by: HeldBack): readonly OwnPicture[] {
  if (pictures.length === 0) return [];
  const byFile = new Map(pictures.map((picture) => [`${name.trim()}/${picture.name}`, picture]));
  const samples = [...byFile.keys()].map((file) => ({ file, label: 0 }));
  const { val } = holdOut({ root: "", classes: [name], samples }, by, (_, file) => file.normalize());
  return val.samples.map(({ file }) => byFile.get(file)!);
}

export const countOf = (classes: readonly PictureClass[]): number =>
  classes.reduce((sum, { pictures }) => sum + pictures.length, 0);

/** What is missing before training can start, as a sentence. */
export function missingIn(classes: readonly PictureClass[]): string | undefined {
  if (classes.length < 2) return "Two classes at least are needed.";
  const nameless = classes.some(({ name }) => name.trim() === "");
  if (nameless) return "Give each class a name.";
  const names = classes.map(({ name }) => name.trim().normalize());
  // Class names become folder names when the pictures are saved.
  const odd = names.find((name) => /[/\\]/.test(name) || name === "." || name === "..");
  if (odd !== undefined) return `${odd}: a class is called like a folder, without a slash.`;
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) return `Two classes are called ${twice}.`;
  const empty = classes.find((group) => split(group, keptBack).train.length === 0 || group.pictures.length < 2);
  if (empty !== undefined) return `${empty.name} needs two pictures at least that can be looked at.`;
  return undefined;
}
