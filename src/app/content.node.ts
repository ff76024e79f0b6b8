/** The content of `senet app`: the page, the networks it offers, and the list of these that the page reads. */

import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { SenetError } from "../errors.ts";
import { ioError } from "../files/files.node.ts";
import { hashOf } from "../serve/files.node.ts";
import { type PageFile, readPage } from "./page.node.ts";

/** A weight file that the page may fetch. */
export interface OfferedNetwork {
  /** Name shown to the user. */
  readonly name: string;
  /** Path on this machine. */
  readonly file: string;
  /**
   * Path for the page. Includes the file's version, so that copies of an earlier one that the page has kept are not
   * used.
   */
  readonly path: string;
  readonly bytes: number;
}

export interface Content {
  readonly files: ReadonlyMap<string, PageFile>;
  readonly networks: ReadonlyMap<string, OfferedNetwork>;
}

/** File from which the page reads its settings: version, and networks to start from. */
const settingsPath = "app.json";

/**
 * @param weights files of networks to offer
 * @param version the package's version
 * @param folder the page's folder; default: the one in the package
 * @throws SenetError `io` where the page has not been built, or a file cannot be read
 */
export async function readContent(weights: readonly string[], version: string, folder?: string): Promise<Content> {
  const names = namesOf(weights);
  const [page, networks] = await Promise.all([
    readPage(folder),
    Promise.all(weights.map((file, i) => offered(file, names[i]!))),
  ]);
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

/** File names; with the run's folder where several runs have one of that name. */
function namesOf(files: readonly string[]): readonly string[] {
  const names = files.map((file) => basename(file));
  return names.map((name, i) => {
    const isShared = names.indexOf(name) !== names.lastIndexOf(name);
    return isShared ? `${basename(dirname(resolve(files[i]!)))}/${name}` : name;
  });
}

async function offered(file: string, name: string): Promise<OfferedNetwork> {
  try {
    const found = await stat(file);
    if (!found.isFile()) throw new SenetError("usage", "this is not a file of weights", { where: file });
    // From the content: size and date can stay the same when a container image is built again.
    const mark = (await hashOf([file])).slice(0, 12);
    return { name, file, path: `networks/${mark}/${encodeURIComponent(basename(file))}`, bytes: found.size };
  } catch (cause) {
    throw cause instanceof SenetError ? cause : ioError("cannot be read", file, cause);
  }
}

/** The uncompressed bytes of a file. */
export const plainBytes = ({ bytes, isCompressed }: PageFile): Uint8Array =>
  isCompressed ? brotliDecompressSync(bytes) : bytes;
