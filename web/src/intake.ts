/** Sorts what users drop or choose: pictures, folders of pictures by class, weight files, folders of runs. */

import { classesOfPaths } from "#senet/data/class-of-path.ts";
import { isHidden } from "#senet/data/hidden.ts";
import { causeText } from "#senet/errors.ts";
import { filesIn } from "./archive.ts";
import type { LeftOut, NewPicture } from "./pictures.ts";

export interface Taken {
  /** Pictures in folders, by the folder's name, which becomes their class. */
  readonly folders: ReadonlyMap<string, readonly NewPicture[]>;
  /** Pictures without a folder. */
  readonly loose: readonly NewPicture[];
  /** Files of networks, or parts of them. */
  readonly networks: readonly File[];
  /** Files that the page cannot use or read. */
  readonly others: readonly LeftOut[];
}

interface Found {
  /** `pictures/cat/001.jpg` */
  readonly path: string;
  readonly file: File;
}

const pictureEnding = /\.(jpe?g|png|webp|gif|bmp|avif|tiff?|p[bgnp]m)$/i;
const networkEnding = /\.(safetensors|onnx|pth|pt|th|pkl|bin|caffemodel|prototxt|binaryproto|h5|hdf5|params|npz|mat)$/i;
/** Other files in a run's folder. */
const runFile = /^(config\.json|run\.json|run\.lock|metrics\..*|report\.html|events\.out\.tfevents\..*)$/i;

export async function droppedFiles(transfer: DataTransfer): Promise<Taken> {
  // The list is cleared when the event is over, so entries are read at once.
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  const plain = [...transfer.files];
  const [found, unread]: [Found[], LeftOut[]] = [[], []];
  for (const entry of entries) await walk(entry, found, unread);
  return sorted(await unpacked(entries.length > 0 ? found : plain.map((file) => ({ path: file.name, file }))), unread);
}

export async function chosenFiles(files: FileList): Promise<Taken> {
  return sorted(await unpacked([...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }))));
}

/** Replaces archives by the files in them. */
async function unpacked(found: readonly Found[]): Promise<readonly Found[]> {
  const all: Found[] = [];
  for (const each of found) all.push(...(/\.tar$/i.test(each.path) ? await filesIn(each.file) : [each]));
  return all;
}

/** Collects files. An entry that cannot be read or no longer exists does not affect the others. */
async function walk(entry: FileSystemEntry, found: Found[], unread: LeftOut[]): Promise<void> {
  if (isHidden(entry.name)) return;
  try {
    if (isFileEntry(entry)) {
      const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
      found.push({ path: entry.fullPath.replace(/^\//, ""), file });
    } else for (const inner of await entriesIn(entry as FileSystemDirectoryEntry)) await walk(inner, found, unread);
  } catch (error) {
    unread.push({ name: entry.name, reason: `cannot be read (${causeText(error)})` });
  }
}

async function entriesIn(folder: FileSystemDirectoryEntry): Promise<readonly FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  // A folder returns at most a hundred entries at a time.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

const isFileEntry = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;

function sorted(found: readonly Found[], unread: readonly LeftOut[] = []): Taken {
  const files = found.filter(({ path }) => !path.split("/").some(isHidden)).sort((a, b) => (a.path < b.path ? -1 : 1));
  const folders = new Map<string, NewPicture[]>();
  const loose: NewPicture[] = [];
  const networks: File[] = [];
  const others: LeftOut[] = [...unread];
  const pictures: Found[] = [];
  for (const each of files) {
    const name = each.path.split("/").at(-1)!;
    if (networkEnding.test(name)) networks.push(each.file);
    else if (each.file.type.startsWith("image/") || pictureEnding.test(name)) pictures.push(each);
    else if (!runFile.test(name)) others.push({ name, reason: "neither a picture nor weights" });
  }
  const placed = classesOfPaths(pictures.map(({ path }) => path));
  for (const [i, { path, file }] of pictures.entries()) {
    const { label, part } = placed[i]!;
    const picture = { name: path.split("/").at(-1)!, file, part };
    if (label === undefined) loose.push(picture);
    else {
      const group = folders.get(label) ?? [];
      folders.set(label, group);
      group.push(picture);
    }
  }
  return { folders, loose, networks, others };
}
