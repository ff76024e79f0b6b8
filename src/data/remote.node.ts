/**
 * Archives given by addresses. They are downloaded completely into the cache before the first picture is read, and then
 * are archives like any others. So any order of pictures is possible from the first epoch on, and a resumed run sees
 * the same pictures in the same places, which a stream with a shuffle buffer could not guarantee.
 */

import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { needsText } from "../arguments.ts";
import { SenetError } from "../errors.ts";
import { cacheFolder } from "../files/cache.node.ts";
import { makeFolder } from "../files/files.node.ts";
import { replaceFile } from "../files/replace.node.ts";
import { PictureContainer } from "../images/read.node.ts";
import type { FetchFilesOptions } from "../pull/files.node.ts";
import { hideCredentials } from "../text-output.ts";
import { isAddress, isArchiveList, isTarName, linesOfList, pathOf } from "./archive-list.node.ts";
import { expandBraces } from "./braces.ts";
import { readTar, TarFault } from "./tar.ts";

export interface FetchDataOptions extends Pick<FetchFilesOptions, "say" | "signal" | "timing"> {
  /** Folder for downloads. Default: `cacheFolder()`. */
  readonly cache?: string | undefined;
}

/** No archive is larger. */
const mostBytes = 2 ** 38;

/** Whether an address is that of an archive or a pattern of archives, rather than of a picture. */
export const isArchiveAddress = (text: string): boolean => isAddress(text) && isTarName(pathOf(text));

/**
 * The local path of data. Local data stays where it is. For addresses (of a `.tar`, a pattern such as
 * `http://host/train-{0000..0146}.tar`, or a file with an address, pattern or path per line), downloads the archives
 * that are not in the cache yet.
 * @throws SenetError `io` where an archive cannot be downloaded; `usage` where an address is not that of an archive
 */
export async function localData(data: string, options: FetchDataOptions = {}): Promise<string> {
  needsText(data, "data", "the path of a folder or an archive, or an address of archives");
  const isList = !isAddress(data) && isArchiveList(data);
  if (!isAddress(data) && !isList) return data;
  const names = isList ? linesOfList(data) : expandBraces(data);
  if (!names.some(isAddress)) return data;
  const folder = join(options.cache ?? cacheFolder(), "data");
  const archives = names.map((name) => (isAddress(name) ? placeOf(folder, name) : { path: name }));
  const wanted = archives.flatMap((archive) => ("address" in archive ? [archive] : []));
  // Imported late, so that local data does not load the HTTP client.
  const { fetchFiles } = await import("../pull/files.node.ts");
  await fetchFiles(wanted, { ...options, mostBytes, faultOf });
  const paths = archives.map(({ path }) => path);
  if (paths.length === 1) return paths[0]!;
  const text = `${paths.join("\n")}\n`;
  const list = join(folder, `${digestOf(text)}.txt`);
  await makeFolder(folder, "another folder: SENET_CACHE");
  await replaceFile(list, [text]);
  return list;
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);

/**
 * The place of a download in the cache: the path on the server below the host's name. User name and password are
 * ignored.
 */
function placeOf(folder: string, address: string): { address: string; path: string } {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !isTarName(url.pathname)) {
    throw new SenetError("usage", "this is not an address of an archive", {
      where: hideCredentials(address),
      expected: "http://host/train-0000.tar, or a pattern: http://host/train-{0000..0009}.tar",
    });
  }
  // Encoded dots and slashes stay encoded, so that no name leads out of the folder.
  const parts = url.pathname.split("/").filter((part) => part !== "");
  const name = url.search === "" ? parts.at(-1)! : `${parts.at(-1)!.slice(0, -4)}-${digestOf(url.search)}.tar`;
  return { address, path: join(folder, url.host.replace(/[^\w.-]/g, "_"), ...parts.slice(0, -1), name) };
}

/** Why the file is not a complete archive; `undefined` if it is. */
function faultOf(path: string): string | undefined {
  if (statSync(path).size === 0) return "the file is empty";
  const container = new PictureContainer(path);
  try {
    readTar((start, length) => container.read(start, length), container.size);
    return undefined;
  } catch (error) {
    if (error instanceof TarFault) return `this is not a complete tar archive: ${error.message}`;
    throw error;
  } finally {
    container.close();
  }
}
