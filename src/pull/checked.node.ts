/**
 * Which files of the cache are known to be whole. Beside each stands `FILE.checked`, which says what the file looked like
 * when it was checked; hashing half a gigabyte at every start would take seconds.
 */

import { readFile, stat } from "node:fs/promises";
import { replaceFile } from "../files/replace.node.ts";
import type { KnownFile } from "./addresses.ts";
import { faultOf } from "./verify.node.ts";

const noteOf = (path: string): string => `${path}.checked`;

/** Changes whenever the file or what it is to be does; the time of the change cannot be set back, as that of writing can. */
async function stamp(path: string, { hash, format }: KnownFile): Promise<string> {
  const { size, mtimeNs, ctimeNs, ino } = await stat(path, { bigint: true });
  return `${JSON.stringify({ size, mtimeNs, ctimeNs, ino, hash: hash?.hex, format }, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value))}\n`;
}

/**
 * What is wrong with the file in the cache, as `faultOf`; it is only read where it was not found whole before, or has
 * changed since, or `again` asks for it.
 */
export async function faultOfCached(path: string, known: KnownFile, again: boolean): Promise<string | undefined> {
  // Before the file is read: a change meanwhile makes the note void.
  const now = await stamp(path, known);
  if (!again && (await readFile(noteOf(path), "utf8").catch(() => undefined)) === now) return undefined;
  const fault = await faultOf(path, known);
  if (fault === undefined) await write(path, now);
  return fault;
}

/** To be called where the file was just checked and put there. */
export const noteChecked = async (path: string, known: KnownFile): Promise<void> =>
  write(path, await stamp(path, known));

/** A cache that cannot be written is checked each time. */
const write = (path: string, text: string): Promise<void> => replaceFile(noteOf(path), [text]).catch(() => {});
