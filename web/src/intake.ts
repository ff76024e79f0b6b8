/** What people drop on the page or choose: pictures, folders of pictures by class, weight files, folders of runs. */

import { filesIn } from "./archive.ts";
import type { NewPicture, Part } from "./pictures.ts";

export interface Taken {
  /** Pictures in folders, by the folder's name, which is their class. */
  readonly folders: ReadonlyMap<string, readonly NewPicture[]>;
  /** Pictures without a folder. */
  readonly loose: readonly NewPicture[];
  /** Files that networks are in, or parts of them. */
  readonly networks: readonly File[];
  /** Names of what the page has no use for. */
  readonly others: readonly string[];
}

interface Found {
  /** `pictures/cat/001.jpg` */
  readonly path: string;
  readonly file: File;
}

const pictureEnding = /\.(jpe?g|png|webp|gif|bmp|avif|tiff?|p[bgnp]m)$/i;
const networkEnding = /\.(safetensors|onnx|pth|pt|th|pkl|bin|caffemodel|prototxt|binaryproto|h5|hdf5|params|npz|mat)$/i;
/** What runs leave in their folder besides. */
const runFile = /^(config\.json|run\.json|metrics\..*|report\.html|events\.out\.tfevents\..*|\..*|thumbs\.db)$/i;
const partNames: Readonly<Record<string, Part>> = { train: "train", val: "val", valid: "val", validation: "val" };

export async function droppedFiles(transfer: DataTransfer): Promise<Taken> {
  // The list is emptied as soon as the event is over: entries are taken at once.
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  const plain = [...transfer.files];
  const found: Found[] = [];
  for (const entry of entries) await walk(entry, found);
  return sorted(await unpacked(entries.length > 0 ? found : plain.map((file) => ({ path: file.name, file }))));
}

export async function chosenFiles(files: FileList): Promise<Taken> {
  return sorted(await unpacked([...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }))));
}

/** Archives are the files that are in them. */
async function unpacked(found: readonly Found[]): Promise<readonly Found[]> {
  const all: Found[] = [];
  for (const each of found) all.push(...(/\.tar$/i.test(each.path) ? await filesIn(each.file) : [each]));
  return all;
}

async function walk(entry: FileSystemEntry, found: Found[]): Promise<void> {
  if (isFileEntry(entry)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    found.push({ path: entry.fullPath.replace(/^\//, ""), file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  // A folder tells its entries by the hundred.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const inner of some) await walk(inner, found);
  }
}

const isFileEntry = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;

function sorted(files: readonly Found[]): Taken {
  const folders = new Map<string, NewPicture[]>();
  const loose: NewPicture[] = [];
  const networks: File[] = [];
  const others: string[] = [];
  for (const { path, file } of [...files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const parts = path.split("/");
    const name = parts.pop()!;
    const folder = parts.pop();
    if (networkEnding.test(name)) networks.push(file);
    else if (!(file.type.startsWith("image/") || pictureEnding.test(name))) {
      if (!runFile.test(name)) others.push(name);
    } else if (folder === undefined) loose.push({ name, file });
    else {
      const part = parts.map((each) => partNames[each.toLowerCase()]).findLast((each) => each !== undefined);
      const group = folders.get(folder) ?? [];
      folders.set(folder, group);
      group.push({ name, file, part });
    }
  }
  return { folders, loose, networks, others };
}
