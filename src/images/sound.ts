/** Whether a picture's file is sound, by its header and by what its decoder says, and what is said where it is not. */

import { SenetError } from "../errors.ts";
import { PictureFault } from "./fault.ts";
import { ascii, type Format, formatOf, formats } from "./format.ts";
import { type Header, headerOf, jpegEnds, tiffTags } from "./header.ts";

/** Pillow refuses larger pictures as decompression bombs. */
export const MAX_PIXELS = 178_956_970;

/** Pictures of up to this many bytes while they are decoded are harmless, whatever their files' size. */
const HARMLESS_BYTES = 64 * 2 ** 20;

/** More than pictures of cameras take: before such a one is decoded, memory is looked at. */
const LARGE_BYTES = 256 * 2 ** 20;

/** What is compressed to less than this part of it is nearly one colour all over; photographs never are. */
const BOMB_RATIO = 500;

export interface SoundHeader {
  readonly format: Format;
  /** Nothing where there is no sound one, which the decoder will tell. */
  readonly header: Header | undefined;
}

/**
 * What a file is, before anything of it is decoded.
 * @param name for error messages
 * @param availableMemory bytes; asked where the picture is a large one
 * @throws SenetError `data` where it is no picture, or hardly an honest one, or larger than memory allows
 */
export function soundHeader(bytes: Uint8Array, name: string, availableMemory: () => number): SoundHeader {
  const format = formatOf(bytes);
  if (format === undefined) throw notAPicture(bytes, name);
  const header = told(bytes, format, name, () => headerOf(bytes, format));
  if (header !== undefined) checkHeader(header, bytes.length, name, availableMemory);
  return { format, header };
}

/** What `read` gives of the file. @throws SenetError `data` in place of a PictureFault */
export function told<T>(bytes: Uint8Array, format: Format, name: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof PictureFault)) throw cause;
    throw unsound(cause.message, bytes, format, name, cause);
  }
}

/** The decoder has a copy of its own while it hands the pixels over. */
export const bytesAtWork = ({ width, height }: Header): number => 2 * 3 * width * height;

/** @throws SenetError `data` for what would be dear to decode and is hardly honest, or is more than there is memory for */
function checkHeader(header: Header, length: number, name: string, availableMemory: () => number): void {
  const { width, height, bits } = header;
  const pixels = width * height;
  if (pixels > MAX_PIXELS) {
    throw new SenetError("data", `the picture has more than ${MAX_PIXELS} pixels`, {
      where: name,
      found: `${width} × ${height}`,
      hint: "make it smaller, or take it out of the folder",
    });
  }
  if (bytesAtWork(header) <= HARMLESS_BYTES) return;
  if ((pixels * bits) / 8 > BOMB_RATIO * length) {
    throw new SenetError("data", "the file is too small for so large a picture", {
      where: name,
      expected: "a photograph",
      found: `${width} × ${height} pixels in ${length} bytes: nearly one colour all over, or a trap`,
      hint: "make it smaller, or take it out of the folder",
    });
  }
  // Whatever cameras make is tried.
  if (bytesAtWork(header) <= LARGE_BYTES) return;
  const available = availableMemory();
  if (bytesAtWork(header) > available / 2) {
    const mib = (count: number) => `${Math.round(count / 2 ** 20)} MiB`;
    throw new SenetError("data", "the picture is too large for the memory that is left", {
      where: name,
      expected: `at most half of ${mib(available)}`,
      found: `${mib(bytesAtWork(header))} for ${width} × ${height} pixels`,
      hint: "make it smaller",
    });
  }
}

const KNOWN: readonly [string, (bytes: Uint8Array) => boolean][] = [
  ["an AVIF or HEIC", (bytes) => ascii(bytes, 4, 8) === "ftyp"],
  ["a ZIP archive", (bytes) => ascii(bytes, 0, 4) === "PK\x03\x04"],
  [
    "a Git LFS pointer (fetch the file with git lfs pull)",
    (bytes) => ascii(bytes, 0, 23) === "version https://git-lfs",
  ],
  ["a web page or SVG", (bytes) => /^\s*<[!?a-z]/i.test(ascii(bytes, 0, 64))],
  ["zeros only", (bytes) => bytes.every((byte) => byte === 0)],
];

function notAPicture(bytes: Uint8Array, name: string): SenetError {
  if (bytes.length === 0) return new SenetError("data", "the picture file is empty", { where: name, found: "0 bytes" });
  const known = KNOWN.find(([, test]) => test(bytes))?.[0];
  const start = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return new SenetError("data", `this is not a picture of a supported kind (${formats.join(", ")})`, {
    where: name,
    found: known ?? `${bytes.length} bytes that start with ${start}`,
    hint: "convert it to JPEG or PNG, or take it out of the folder",
  });
}

/** The error of a file that is not sound, cut off, or of a kind that is not decoded. */
export function unsound(
  found: string,
  bytes: Uint8Array,
  format: Format,
  where: string,
  cause: unknown,
  said = found,
): SenetError {
  if (/not decoded|support is not configured/.test(found)) {
    const hint = "convert it to PNG, or take it out of the folder";
    return new SenetError("data", `this kind of ${format} is not supported`, { where, found, hint, cause });
  }
  const state = isTruncated(bytes, format, said) ? "truncated" : "corrupt";
  const hint = "get the file again, or take it out of the folder";
  return new SenetError("data", `the ${format} picture is ${state}`, { where, found, hint, cause });
}

/** Whether the end of the file is missing, by its own account of its length or by what its decoder says. */
function isTruncated(bytes: Uint8Array, format: Format, message: string): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (format === "JPEG") return !jpegEnds(bytes);
  if (format === "GIF" || format === "BMP" || format === "PNM") return /the file ends/.test(message);
  if (format === "TIFF") return tiffTags(bytes).size === 0 || /read error|got \d+ bytes|not enough data/i.test(message);
  if (format === "WebP") return bytes.length < 12 || view.getUint32(4, true) + 8 > bytes.length;
  // PNG: chunks of length, type, data and checksum, up to IEND.
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    if (ascii(bytes, at + 4, at + 8) === "IEND") return false;
  }
  return true;
}
