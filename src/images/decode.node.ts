/**
 * From a JPEG, PNG or WebP file to RGB bytes, equal to Pillow's `Image.open(file).convert("RGB")` bit for bit: colour
 * profiles and EXIF orientation are not applied, alpha is dropped rather than composited.
 *
 * sharp (libvips over the same codecs as Pillow's) decodes. Where the two differ by convention, CMYK and 16-bit grey,
 * the samples are taken raw and converted here as Pillow does.
 */

import { readFile } from "node:fs/promises";
import sharp, { type Sharp } from "sharp";
import { SenetError } from "../errors.ts";
import type { Picture } from "./resize.ts";

/** Pillow refuses larger pictures as decompression bombs. */
const MAX_PIXELS = 178_956_970;

/** File names that a data folder takes for pictures. */
export const pictureExtensions: readonly string[] = [".jpg", ".jpeg", ".png", ".webp"];

export function isPictureName(name: string): boolean {
  const lower = name.toLowerCase();
  return pictureExtensions.some((extension) => lower.endsWith(extension));
}

/**
 * The picture in a file. Its name says nothing: a PNG called `.jpg` decodes.
 * @throws SenetError `data` naming the file and the reason: cannot be read, empty, no picture, truncated, corrupt
 */
export async function decodePicture(file: string): Promise<Picture> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SenetError("data", "the picture cannot be read", { where: file, found: reason, cause });
  }
  return decodeBytes(bytes, file);
}

/**
 * The picture in a file's bytes.
 * @param name for error messages
 * @throws SenetError `data`
 */
export async function decodeBytes(bytes: Uint8Array, name: string): Promise<Picture> {
  const format = sniff(bytes);
  if (format === undefined) throw notAPicture(bytes, name);
  const layout = layoutOf(bytes, format);
  const image = sharp(bytes, { ignoreIcc: true, failOn: "error", limitInputPixels: MAX_PIXELS });
  try {
    if (layout === "cmyk") return fromCmyk(await raw(image.pipelineColourspace("cmyk").toColourspace("cmyk"), "uchar"));
    if (layout === "grey16") {
      return fromGrey16(await raw(image.pipelineColourspace("grey16").toColourspace("grey16"), "ushort"));
    }
    return fromRgb(await raw(image, "uchar"));
  } catch (cause) {
    throw undecodable(cause, bytes, format, name);
  }
}

/** The decoder and its version, for reports on a machine. */
export function describeDecoder(): string {
  return `sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}`;
}

type Format = "JPEG" | "PNG" | "WebP";

/** The format by the first bytes, as Pillow decides it. */
function sniff(bytes: Uint8Array): Format | undefined {
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return "JPEG";
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return "PNG";
  if (ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 12) === "WEBP") return "WebP";
  return undefined;
}

const startsWith = (bytes: Uint8Array, prefix: readonly number[]): boolean =>
  bytes.length >= prefix.length && prefix.every((value, i) => bytes[i] === value);

const ascii = (bytes: Uint8Array, start: number, end: number): string =>
  String.fromCharCode(...bytes.subarray(start, end));

/** Which samples Pillow converts in a way of its own. */
function layoutOf(bytes: Uint8Array, format: Format): "rgb" | "cmyk" | "grey16" {
  if (format === "JPEG" && jpegComponents(bytes) === 4) return "cmyk";
  // IHDR, always first: bit depth at 24, colour type at 25 (0: grey without alpha).
  if (format === "PNG" && bytes[24] === 16 && bytes[25] === 0) return "grey16";
  return "rgb";
}

/** The number of components in a JPEG's frame header; 0 where there is none. */
function jpegComponents(bytes: Uint8Array): number {
  let at = 2;
  while (at + 9 < bytes.length) {
    if (bytes[at] !== 0xff) {
      at++;
      continue;
    }
    const marker = bytes[at + 1]!;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return bytes[at + 9]!;
    const standsAlone = marker === 0xff || marker === 0x00 || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    if (marker === 0xd9 || marker === 0xda) return 0;
    at += standsAlone ? (marker === 0xff ? 1 : 2) : 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }
  return 0;
}

interface Raw {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Buffer;
}

async function raw(image: Sharp, depth: "uchar" | "ushort"): Promise<Raw> {
  const { data, info } = await image.raw({ depth }).toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels, data };
}

/** Drops alpha; grey comes as three equal channels already. */
function fromRgb({ width, height, channels, data }: Raw): Picture {
  if (channels === 3) return { width, height, data };
  const rgb = new Uint8Array(width * height * 3);
  const second = channels < 3 ? 0 : 1;
  const third = channels < 3 ? 0 : 2;
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) {
    rgb[to] = data[from]!;
    rgb[to + 1] = data[from + second]!;
    rgb[to + 2] = data[from + third]!;
  }
  return { width, height, data: rgb };
}

/** Pillow's `cmyk2rgb`: each ink times what black leaves, with its rounded division by 255. */
function fromCmyk({ width, height, channels, data }: Raw): Picture {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) {
    const light = 255 - data[from + 3]!;
    for (let ink = 0; ink < 3; ink++) {
      const product = data[from + ink]! * light + 128;
      rgb[to + ink] = light - (((product >> 8) + product) >> 8);
    }
  }
  return { width, height, data: rgb };
}

/** Pillow opens 16-bit grey as 32-bit integers and clips those to 255, so that all but the darkest turns white. */
function fromGrey16({ width, height, channels, data }: Raw): Picture {
  const samples = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) {
    rgb.fill(Math.min(255, samples[from]!), to, to + 3);
  }
  return { width, height, data: rgb };
}

const KNOWN: readonly [string, (bytes: Uint8Array) => boolean][] = [
  ["a GIF", (bytes) => ascii(bytes, 0, 4) === "GIF8"],
  ["a BMP", (bytes) => ascii(bytes, 0, 2) === "BM"],
  ["a TIFF", (bytes) => ascii(bytes, 0, 4) === "II*\0" || ascii(bytes, 0, 4) === "MM\0*"],
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
  return new SenetError("data", "this is not a JPEG, PNG or WebP picture", {
    where: name,
    found: known ?? `${bytes.length} bytes that start with ${start}`,
    hint: "convert it to JPEG or PNG, or take it out of the folder",
  });
}

function undecodable(cause: unknown, bytes: Uint8Array, format: Format, name: string): SenetError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const tooLarge = /exceeds pixel limit/i.test(message);
  const state = isTruncated(bytes, format, message) ? "truncated" : "corrupt";
  // libvips repeats itself over several lines; the first says it, after the name of its module.
  const reason = message
    .split("\n")[0]!
    .replace(/^Input buffer has corrupt header: /, "")
    .replace(/^\w+: /, "")
    .trim();
  return new SenetError(
    "data",
    tooLarge ? `the picture has more than ${MAX_PIXELS} pixels` : `the ${format} picture is ${state}`,
    { where: name, found: reason, hint: "get the file again, or take it out of the folder", cause },
  );
}

/** Whether the end of the file is missing, by its own account of its length; the decoders say so only for JPEG. */
function isTruncated(bytes: Uint8Array, format: Format, message: string): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (format === "JPEG") return /premature end of JPEG/i.test(message);
  if (format === "WebP") return bytes.length < 12 || view.getUint32(4, true) + 8 > bytes.length;
  // PNG: chunks of length, type, data and checksum, up to IEND.
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    if (ascii(bytes, at + 4, at + 8) === "IEND") return false;
  }
  return true;
}
