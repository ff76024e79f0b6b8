/** Writes the page as files for any web server. */

import { dirname, join } from "node:path";
import { makeFolder, readBytes } from "../files/files.node.ts";
import { replaceFile } from "../files/replace.node.ts";
import { type Content, plainBytes } from "./content.node.ts";

/**
 * Writes everything that the page needs below `folder`, each file atomically, `index.html` last; other files stay.
 * @returns number of bytes written
 * @throws SenetError `io`
 */
export async function writeApp({ files, networks }: Content, folder: string): Promise<number> {
  let written = 0;
  const write = async (path: string, bytes: Uint8Array) => {
    const file = join(folder, path);
    await makeFolder(dirname(file));
    await replaceFile(file, [bytes]);
    written += bytes.length;
  };
  // Paths are encoded as in addresses, which servers decode.
  for (const { path, file } of networks.values()) await write(decodeURIComponent(path), await readBytes(file));
  for (const file of [...files.values()].sort((a, b) => Number(isEntry(a.path)) - Number(isEntry(b.path))))
    await write(file.path, plainBytes(file));
  return written;
}

const isEntry = (path: string) => path === "index.html";
