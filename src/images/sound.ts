/** Checks that a picture file is sound, by its header and the decoder's messages, and reports why it is not. */

import { SenetError } from "../errors.ts";
import { PictureFault, UnsupportedPicture } from "./fault.ts";
import { ascii, type Format, formatOf, formats } from "./format.ts";
import { type Header, headerOf, jpegEnds, tiffTags } from "./header.ts";

/** Pillow refuses larger pictures as decompression bombs. */
export const maxPixels = 178_956_970;

/** Pictures that need at most this many bytes to decode are harmless, whatever their file's size. */
const harmlessBytes = 64 * 2 ** 20;

/** More than camera pictures need; free memory is checked before decoding one that does. */
const largeBytes = 256 * 2 ** 20;

/** Pictures compressed by more than this factor are nearly uniform, unlike any photograph. */
const bombRatio = 500;

export interface SoundHeader {
  readonly format: Format;
  /** Undefined if there is no sound header, which the decoder will report. */
  readonly header: Header | undefined;
}

/**
 * Checks a file before anything is decoded.
 * @param name for error messages
 * @param availableMemory free memory in bytes; only called for large pictures
 * @throws SenetError `data` where it is not a picture, suspicious, or larger than memory allows
 */
export function soundHeader(bytes: Uint8Array, name: string, availableMemory: () => number): SoundHeader {
  const format = formatOf(bytes);
  if (format === undefined) throw notAPicture(bytes, name);
  const header = told(bytes, format, name, () => headerOf(bytes, format));
  if (header !== undefined) checkHeader(header, bytes.length, name, availableMemory);
  return { format, header };
}

/** Calls `read`. @throws SenetError `data` instead of a PictureFault */
export function told<T>(bytes: Uint8Array, format: Format, name: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof PictureFault)) throw cause;
    throw unsound(cause.message, bytes, format, name, cause);
  }
}

/** Bytes needed to decode; the decoder has its own copy while it returns the pixels. */
export const bytesAtWork = ({ width, height }: Header): number => 2 * 3 * width * height;

/** @throws SenetError `data` for pictures that would be expensive to decode and are suspicious, or exceed memory */
function checkHeader(header: Header, length: number, name: string, availableMemory: () => number): void {
  const { width, height, bits } = header;
  const pixels = width * height;
  if (pixels > maxPixels) {
    throw new SenetError("data", `the picture has more than ${maxPixels} pixels`, {
      where: name,
      found: `${width} × ${height}`,
      hint: "make it smaller, or take it out of the folder",
    });
  }
  if (bytesAtWork(header) <= harmlessBytes) return;
  if ((pixels * bits) / 8 > bombRatio * length) {
    throw new SenetError("data", "the file is too small for so large a picture", {
      where: name,
      expected: "a photograph",
      found: `${width} × ${height} pixels in ${length} bytes: nearly one colour all over, or a trap`,
      hint: "make it smaller, or take it out of the folder",
    });
  }
  // Anything that cameras produce is accepted.
  if (bytesAtWork(header) <= largeBytes) return;
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

const knownFormats: readonly [string, (bytes: Uint8Array) => boolean][] = [
  ["an AVIF or HEIC", (bytes) => /^ftyp(avi|he[iv]|m[is][fa])/.test(ascii(bytes, 4, 11))],
  ["a video (MP4 or QuickTime)", (bytes) => ascii(bytes, 4, 8) === "ftyp"],
  ["a JPEG 2000", (bytes) => ascii(bytes, 4, 8) === "jP  "],
  ["a JPEG XL", (bytes) => ascii(bytes, 4, 8) === "JXL " || ascii(bytes, 0, 2) === "\xff\n"],
  ["a BigTIFF", (bytes) => ["II+\0", "MM\0+"].includes(ascii(bytes, 0, 4))],
  ["a Netpbm file in a form other than P4, P5 and P6", (bytes) => /^P[1237Ff]\s/.test(ascii(bytes, 0, 3))],
  ["a Photoshop file", (bytes) => ascii(bytes, 0, 4) === "8BPS"],
  ["a PDF", (bytes) => ascii(bytes, 0, 5) === "%PDF-"],
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
  const known = knownFormats.find(([, test]) => test(bytes))?.[0];
  const start = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return new SenetError("data", `this is not a picture of a supported kind (${formats.join(", ")})`, {
    where: name,
    found: known ?? `${bytes.length} bytes that start with ${start}`,
    hint: "convert it to JPEG or PNG, or take it out of the folder",
  });
}

/** The error for a file that is damaged, truncated, or of an unsupported kind. */
export function unsound(
  found: string,
  bytes: Uint8Array,
  format: Format,
  where: string,
  cause: unknown,
  said = found,
): SenetError {
  // The second by libvips.
  if (cause instanceof UnsupportedPicture || /support is not configured/.test(found)) {
    const hint = "convert it to PNG, or take it out of the folder";
    return new SenetError("data", `this kind of ${format} is not supported`, { where, found, hint, cause });
  }
  const state = isTruncated(bytes, format, said) ? "truncated" : "corrupt";
  const hint = "get the file again, or take it out of the folder";
  return new SenetError("data", `the ${format} picture is ${state}`, { where, found, hint, cause });
}

/** Whether the file is truncated, according to its own length or the decoder's message. */
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
