/**
 * Remembers which files in the cache have been checked. A note `FILE.checked` next to each says what the file looked
 * like then; hashing half a gigabyte at every start would take seconds.
 */

import { readFile, stat } from "node:fs/promises";
import { replaceFile } from "../files/replace.node.ts";
import type { KnownFile } from "./addresses.ts";
import { faultOf } from "./verify.node.ts";

const noteOf = (path: string): string => `${path}.checked`;

/**
 * A stamp that changes whenever the file or its expected hash does. Uses the change time, which, unlike the
 * modification time, cannot be set.
 */
async function stamp(path: string, { hash, format }: KnownFile): Promise<string> {
  const { size, mtimeNs, ctimeNs, ino } = await stat(path, { bigint: true });
  return `${JSON.stringify({ size, mtimeNs, ctimeNs, ino, hash: hash?.hex, format }, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value))}\n`;
}

/**
 * What is wrong with the file in the cache, as `faultOf`. It is only read if it has not passed before or has changed
 * since, or if `again` is set.
 */
export async function faultOfCached(path: string, known: KnownFile, again: boolean): Promise<string | undefined> {
  // Taken before the file is read, so that a change meanwhile invalidates the note.
  const now = await stamp(path, known);
  if (!again && (await readFile(noteOf(path), "utf8").catch(() => undefined)) === now) return undefined;
  const fault = await faultOf(path, known);
  if (fault === undefined) await write(path, now);
  return fault;
}

/** To be called after the file was checked and put there. */
export const noteChecked = async (path: string, known: KnownFile): Promise<void> =>
  write(path, await stamp(path, known));

/** In a read-only cache, files are checked each time. */
const write = (path: string, text: string): Promise<void> => replaceFile(noteOf(path), [text]).catch(() => {});
