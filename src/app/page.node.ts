/**
 * The built page of `senet app` (`npm run build:app`): a folder of files, in which compressible ones are stored
 * compressed with an added `.br`. The package contains them in this form, too: the engine is then a fifth of its size.
 */

import { readdir } from "node:fs/promises";
import { extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { SenetError } from "../errors.ts";
import { codeOf, ioError, readBytes } from "../files/files.node.ts";

export interface PageFile {
  /** Path relative to the page's folder, with `/`: `assets/index.js`. */
  readonly path: string;
  readonly type: string;
  readonly bytes: Uint8Array;
  /** Whether the bytes are compressed with brotli. */
  readonly isCompressed: boolean;
  /** Whether the content at this path never changes, since the path contains a hash. */
  readonly isLasting: boolean;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".txt": "text/plain; charset=utf-8",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
};

const ownFolder = fileURLToPath(new URL("../../app/", import.meta.url));

/** All files of the page. @throws SenetError `io` where it has not been built */
export async function readPage(folder: string = ownFolder): Promise<readonly PageFile[]> {
  const files = await Promise.all((await pathsIn(folder)).map((name) => readFile(folder, name)));
  if (files.some(({ path }) => path === "index.html")) return files;
  throw notBuilt(folder);
}

async function readFile(folder: string, name: string): Promise<PageFile> {
  const isCompressed = name.endsWith(".br");
  const path = isCompressed ? name.slice(0, -".br".length) : name;
  return {
    path,
    type: types[extname(path)] ?? "application/octet-stream",
    bytes: await readBytes(join(folder, name)),
    isCompressed,
    isLasting: path.startsWith("assets/"),
  };
}

async function pathsIn(top: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(top, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => relative(top, join(parentPath, name)).replaceAll("\\", "/"))
      .sort();
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") throw notBuilt(top);
    throw ioError("the page cannot be read", top, cause);
  }
}

const notBuilt = (folder: string) =>
  new SenetError("io", "the page has not been built", {
    where: folder,
    expected: "the files that come with the package",
    hint: "in a checkout: npm run build:app",
  });
