/** What `senet app` shows: the page, the networks that it can begin with, and the list of these that the page reads. */

import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { SenetError } from "../errors.ts";
import { ioError } from "../files/files.node.ts";
import { type PageFile, readPage } from "./page.node.ts";

/** A weight file that the page may fetch. */
export interface OfferedNetwork {
  /** For people. */
  readonly name: string;
  /** Where it lies on this machine. */
  readonly file: string;
  /** Where the page finds it. The version of the file is in it: what the page keeps of an earlier one is not taken for it. */
  readonly path: string;
  readonly bytes: number;
}

export interface Content {
  readonly files: ReadonlyMap<string, PageFile>;
  readonly networks: ReadonlyMap<string, OfferedNetwork>;
}

/** The page's own name for what it is told: version, and networks to begin with. */
export const settingsPath = "app.json";

/**
 * @param weights files of networks to begin with
 * @param version of the package
 * @param folder of the page; default: the one that comes with the package
 * @throws SenetError `io` where the page has not been built, or a file cannot be read
 */
export async function readContent(weights: readonly string[], version: string, folder?: string): Promise<Content> {
  const [page, networks] = await Promise.all([readPage(folder), Promise.all(weights.map(offered))]);
  const settings = {
    version,
    networks: networks.map(({ name, path, bytes }) => ({ name, path, bytes })),
  };
  const file: PageFile = {
    path: settingsPath,
    type: "application/json",
    bytes: new TextEncoder().encode(`${JSON.stringify(settings, null, 2)}\n`),
    isCompressed: false,
    isLasting: false,
  };
  return {
    files: new Map([...page, file].map((each) => [each.path, each])),
    networks: new Map(networks.map((each) => [each.path, each])),
  };
}

async function offered(file: string): Promise<OfferedNetwork> {
  try {
    const found = await stat(file);
    if (!found.isFile()) throw new SenetError("usage", "this is no file of weights", { where: file });
    const mark = createHash("sha256").update(`${found.size} ${found.mtimeMs}`).digest("hex").slice(0, 12);
    const name = basename(file);
    return { name, file, path: `networks/${mark}/${encodeURIComponent(name)}`, bytes: found.size };
  } catch (cause) {
    throw cause instanceof SenetError ? cause : ioError("cannot be read", file, cause);
  }
}

/** The file as it was before it was compressed. */
export const plainBytes = ({ bytes, isCompressed }: PageFile): Uint8Array =>
  isCompressed ? brotliDecompressSync(bytes) : bytes;
