/**
 * Puts the user's pictures into one file: a tar archive with a folder for each class, on which senet in Node can train.
 */

import { readTar, TarFault } from "#senet/data/tar.ts";
import { hasOwnVal, keptBack, type PictureClass, split } from "./pictures.ts";

const block = 512;
const encoder = new TextEncoder();

/** Builds the archive from the classes. The pictures' bytes are only read when the archive is written. */
export function archiveOf(classes: readonly PictureClass[]): Blob {
  const isDivided = classes.some(hasOwnVal);
  const parts: BlobPart[] = [];
  for (const group of classes) {
    const held = new Set(split(group, keptBack).val);
    // A slash in a name would create another folder.
    const folder = group.name.trim().replaceAll("/", "-");
    for (const picture of group.pictures) {
      const part = isDivided ? (held.has(picture) ? "val/" : "train/") : "";
      parts.push(...member(`${part}${folder}/${picture.name}`, picture.file));
    }
  }
  return new Blob([...parts, new Uint8Array(2 * block)], { type: "application/x-tar" });
}

function member(path: string, file: Blob): BlobPart[] {
  const isShort = encoder.encode(path).length <= 100;
  const named = isShort ? [] : [header("pax", "x", pax("path", path).length), padded(pax("path", path))];
  return [...named, header(isShort ? path : "long", "0", file.size), file, new Uint8Array(-file.size & (block - 1))];
}

/** The header fields of POSIX ustar. */
function header(name: string, type: "0" | "x", size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(block);
  const put = (text: string, at: number) => bytes.set(encoder.encode(text), at);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  put(name, 0);
  put(octal(0o644, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(size, 11), 124);
  put(octal(Math.floor(Date.now() / 1000), 11), 136);
  put(" ".repeat(8), 148);
  put(type, 156);
  put("ustar\0" + "00", 257);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  put(`${octal(sum, 6)} `, 148);
  return bytes;
}

/** A record for a name of any length: `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function pax(key: string, value: string): Uint8Array<ArrayBuffer> {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  const digits = `${rest + `${rest}`.length}`.length;
  return encoder.encode(`${rest + digits} ${key}=${value}\n`);
}

function padded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(Math.ceil(bytes.length / block) * block);
  whole.set(bytes);
  return whole;
}

/** The files in an archive, as slices of it. @throws Error with a description if it is damaged */
export async function filesIn(archive: File): Promise<{ readonly path: string; readonly file: File }[]> {
  const bytes = new Uint8Array(await archive.arrayBuffer());
  try {
    const { entries } = readTar((start, length) => bytes.subarray(start, start + length), bytes.length);
    return entries
      .filter(({ kind }) => kind === "file")
      .map(({ name, start, length }) => {
        const file = new File([archive.slice(start, start + length)], name.split("/").at(-1)!);
        return { path: name, file };
      });
  } catch (cause) {
    if (cause instanceof TarFault) throw new Error(`${archive.name} is a damaged archive: ${cause.message}`);
    throw cause;
  }
}
