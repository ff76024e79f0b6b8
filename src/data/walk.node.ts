/** Walks the folders of a data set. Follows links, yet always ends: no folder is entered twice. */

import { type Dirent, existsSync, lstatSync, readdirSync, realpathSync, type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { SenetError } from "../errors.ts";
import { extensionOf, isPictureName } from "../images/format.ts";
import { startsAsPicture } from "../images/read.node.ts";
import { byCodePoint } from "./by-code-point.ts";
import { isHidden } from "./hidden.ts";
import type { LeftOut } from "./left-out.ts";

/** Contents of a folder, with links followed, sorted by name; without hidden ones (hidden.ts). */
export interface Listing {
  readonly folders: readonly string[];
  /** Includes broken links: as pictures they are reported by name when opened. */
  readonly files: readonly string[];
  /** The `folders` that are links. */
  readonly links: ReadonlySet<string>;
}

/** Common files next to pictures that need no remark. */
const companions: ReadonlySet<string> = new Set([
  ...[".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yml", ".yaml", ".md", ".html", ".ini", ".db", ".log"],
  ...[".py", ".sh", ".npy", ".npz", ".mat", ".zip", ".gz", ".tar", ".cls"],
]);

export class Walk {
  readonly #root: string;
  readonly #leftOut: LeftOut;
  /** The data set's folder and those above it: a link to one of them is circular. */
  readonly #above: ReadonlySet<string>;
  /** The class folder in which each folder was found. */
  readonly #homes = new Map<string, string>();

  /** @throws SenetError `data` where `root` is not a readable folder */
  constructor(root: string, leftOut: LeftOut) {
    this.#root = root;
    this.#leftOut = leftOut;
    this.#above = new Set(withAncestors(root).map(identityOf));
  }

  /** The names of the class folders, sorted. */
  classFolders(): string[] {
    return list(this.#root, this.#leftOut).folders.filter((name) => {
      const path = join(this.#root, name);
      if (!this.#above.has(identityOf(path))) return true;
      this.#leftOut.circle(path);
      return false;
    });
  }

  /** The pictures in a folder (and, unless told otherwise, below it) in torchvision's order, and the other files. */
  picturesIn(folder: string, recursive = true): { pictures: string[]; others: string[] } {
    const listings = recursive ? this.#foldersFrom(folder) : [[folder, list(folder, this.#leftOut)] as const];
    const pictures: string[] = [];
    const others: string[] = [];
    // Folders are sorted by path, as in torchvision, before their files.
    for (const [path, { files }] of listings.sort(([a], [b]) => byCodePoint(a, b))) {
      for (const name of files) {
        const file = join(path, name);
        if (isPicture(file, name)) pictures.push(file);
        else {
          others.push(name);
          if (!isCompanion(name)) this.#leftOut.other(file);
        }
      }
    }
    return { pictures, others };
  }

  /** The folder and those below it. Links come last, so that a folder is found at its real place first. */
  #foldersFrom(start: string): [path: string, listing: Listing][] {
    const found: [string, Listing][] = [];
    const seen = new Set(this.#above);
    // The whole data set's folder may also be walked.
    seen.delete(identityOf(start));
    const next = [start];
    const links: string[] = [];
    for (let path = next.pop(); path !== undefined; path = next.pop() ?? links.pop()) {
      const identity = identityOf(path);
      if (seen.has(identity)) {
        this.#leftOut.circle(path);
        continue;
      }
      seen.add(identity);
      const home = this.#homes.get(identity);
      if (home === undefined) this.#homes.set(identity, start);
      else if (home !== start) this.#leftOut.shared(path, home);
      const listing = list(path, this.#leftOut);
      found.push([path, listing]);
      // In reverse, since the last is taken first.
      for (const name of listing.folders.toReversed()) (listing.links.has(name) ? links : next).push(join(path, name));
    }
    return found;
  }
}

const isPicture = (path: string, name: string): boolean => isPictureName(name) || startsAsPicture(path);

export const isCompanion = (name: string): boolean => companions.has(extensionOf(name));

/** The file of that name, in any Unicode form or with the separators of Windows, if there is one. */
export const fileNamed = (folder: string, name: string): string | undefined =>
  [name, name.normalize("NFC"), name.normalize("NFD"), name.replaceAll("\\", "/")]
    .map((form) => join(folder, form))
    .find((file) => existsSync(file));

export function list(folder: string, leftOut?: LeftOut): Listing {
  const folders: string[] = [];
  const files: string[] = [];
  const links = new Set<string>();
  for (const entry of entriesOf(folder)) {
    const { name } = entry;
    if (isHidden(name)) continue;
    const path = join(folder, name);
    if (isUnreadable(path, name)) {
      if (entry.isDirectory()) throw unreadableFolderName(path);
      leftOut?.unreadableName(path);
      continue;
    }
    const type = entry.isSymbolicLink() ? statsOf(path) : entry;
    if (type?.isDirectory() === true) {
      folders.push(name);
      if (type !== entry) links.add(name);
    } else if (type === undefined || type.isFile()) files.push(name);
    else leftOut?.special(path);
  }
  return { folders: folders.sort(byCodePoint), files: files.sort(byCodePoint), links };
}

/** Stats of a path, with links followed; `undefined` for broken or circular links and where permission is missing. */
export function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Node decodes names as UTF-8 with U+FFFD for invalid bytes; such a name cannot be opened. */
function isUnreadable(path: string, name: string): boolean {
  return name.includes("\ufffd") && lstatSync(path, { throwIfNoEntry: false }) === undefined;
}

function unreadableFolderName(path: string): SenetError {
  return new SenetError("data", "the name of a folder is not UTF-8", {
    where: path,
    hint: "rename it (convmv renames whole folders from another encoding)",
  });
}

function entriesOf(folder: string): Dirent[] {
  return reading(folder, () => readdirSync(folder, { withFileTypes: true }));
}

/** The folder and those above it up to the root, with links resolved. */
function withAncestors(folder: string): string[] {
  const paths = [reading(folder, () => realpathSync(folder))];
  for (;;) {
    const last = paths.at(-1)!;
    const above = dirname(last);
    if (above === last) return paths;
    paths.push(above);
  }
}

/** An identity that is the same for every path to a file or folder. Uses bigint, since numbers above 2⁵³ occur. */
function identityOf(path: string): string {
  const { dev, ino } = reading(path, () => statSync(path, { bigint: true }));
  return `${dev}:${ino}`;
}

const reasons: Readonly<Record<string, { found: string; hint: string }>> = {
  ENOENT: {
    found: "nothing at this path",
    hint: "check the path; it is relative to the folder that the command runs in",
  },
  ENOTDIR: { found: "a file", hint: "check the path" },
  EACCES: { found: "permission denied", hint: "give yourself permission to read it (chmod u+rx), or move it away" },
  EPERM: { found: "permission denied", hint: "give yourself permission to read it, or move it away" },
  ELOOP: { found: "a link that leads to itself", hint: "remove the link" },
  ENAMETOOLONG: { found: "a path that is too long for this system", hint: "use shorter names, or fewer folders" },
};

/** Reads a folder. @throws SenetError `data` where the system refuses */
function reading<T>(folder: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const { found, hint } = reasons[(cause as NodeJS.ErrnoException).code ?? ""] ?? {
      found: String(cause),
      hint: "check the path",
    };
    throw new SenetError("data", "the folder cannot be read", {
      where: folder,
      expected: "a folder",
      found,
      hint: /\.(?:zip|7z|rar)$/i.test(folder) ? "unpack it first; a .tar is read as it is" : hint,
      cause,
    });
  }
}
