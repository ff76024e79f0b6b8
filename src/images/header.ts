/** Reads a picture's header, before anything is decoded. */

import { bmpHeader } from "./bmp-header.ts";
import { ascii, type Format } from "./format.ts";
import { gifFrame } from "./gif.ts";
import { pnmLayout } from "./pnm.ts";

export interface Header {
  readonly width: number;
  readonly height: number;
  /** Bits per pixel, uncompressed. */
  readonly bits: number;
}

/**
 * The size claimed by the header; `undefined` if there is no sound header, which the decoder will report.
 * @throws PictureFault where there is no frame
 */
export function headerOf(bytes: Uint8Array, format: Format): Header | undefined {
  const header = readers[format](bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return header !== undefined && header.width > 0 && header.height > 0 ? header : undefined;
}

type Reader = (bytes: Uint8Array, view: DataView) => Header | undefined;

const readers: Readonly<Record<Format, Reader>> = {
  JPEG: (bytes) => {
    const frame = jpegFrame(bytes);
    return frame && { ...frame, bits: 8 * frame.components };
  },
  PNG: (bytes, view) => {
    if (bytes.length < 26) return undefined;
    const channels = [1, 0, 3, 1, 2, 0, 4][bytes[25]!] ?? 0;
    return { width: view.getUint32(16), height: view.getUint32(20), bits: bytes[24]! * channels };
  },
  WebP: webp,
  GIF: (bytes) => ({ ...gifFrame(bytes).screen, bits: 8 }),
  BMP: bmpHeader,
  PNM: (bytes) => {
    const { width, height, channels } = pnmLayout(bytes);
    return { width, height, bits: channels === 0 ? 1 : 8 * channels };
  },
  TIFF: (bytes) => {
    const tags = tiffTags(bytes);
    const [width = 0, height = 0] = [tags.get(256)?.[0], tags.get(257)?.[0]];
    return { width, height, bits: (tags.get(258)?.[0] ?? 1) * (tags.get(277)?.[0] ?? 1) };
  },
};

/** The frame header of a JPEG. */
export function jpegFrame(bytes: Uint8Array): { width: number; height: number; components: number } | undefined {
  const short = (at: number) => (bytes[at]! << 8) | bytes[at + 1]!;
  for (const { marker, at } of jpegMarkers(bytes)) {
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame && at + 9 < bytes.length) {
      return { height: short(at + 5), width: short(at + 7), components: bytes[at + 9]! };
    }
    if (marker === endOfImage || marker === 0xda) return undefined;
  }
  return undefined;
}

/** Whether a JPEG has its end marker. */
export function jpegEnds(bytes: Uint8Array): boolean {
  for (const { marker } of jpegMarkers(bytes)) if (marker === endOfImage) return true;
  return false;
}

const endOfImage = 0xd9;

/** The markers of segments, skipping compressed data. */
function* jpegMarkers(bytes: Uint8Array): Generator<{ readonly marker: number; readonly at: number }> {
  for (let at = 2; at + 1 < bytes.length; ) {
    if (bytes[at] !== 0xff) {
      at++;
      continue;
    }
    const marker = bytes[at + 1]!;
    const standsAlone = marker === 0xff || marker === 0x00 || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    if (!standsAlone) yield { marker, at };
    at += standsAlone ? (marker === 0xff ? 1 : 2) : 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }
}

function webp(bytes: Uint8Array, view: DataView): Header | undefined {
  if (bytes.length < 30) return undefined;
  const bits = 24;
  const size24 = (at: number) => 1 + view.getUint16(at, true) + (bytes[at + 2]! << 16);
  switch (ascii(bytes, 12, 16)) {
    case "VP8X":
      return { width: size24(24), height: size24(27), bits };
    case "VP8 ":
      if (bytes[23] !== 0x9d || bytes[24] !== 0x01 || bytes[25] !== 0x2a) return undefined;
      return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff, bits };
    case "VP8L": {
      const packed = view.getUint32(21, true);
      return { width: 1 + (packed & 0x3fff), height: 1 + ((packed >>> 14) & 0x3fff), bits };
    }
    default:
      return undefined;
  }
}

/** Bytes per value of TIFF's integer types: BYTE, SHORT, LONG. */
const tiffBytes: Readonly<Record<number, 1 | 2 | 4>> = { 1: 1, 3: 2, 4: 4 };

/** Whole numbers in the first directory of a TIFF, by tag; at most four each. */
export function tiffTags(bytes: Uint8Array): ReadonlyMap<number, readonly number[]> {
  const tags = new Map<number, number[]>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = ascii(bytes, 0, 2) === "II";
  if (bytes.length < 8) return tags;
  const start = view.getUint32(4, little);
  if (start + 2 > bytes.length) return tags;
  const count = view.getUint16(start, little);
  for (let i = 0; i < count; i++) {
    const entry = start + 2 + 12 * i;
    if (entry + 12 > bytes.length) return tags;
    const size = tiffBytes[view.getUint16(entry + 2, little)];
    if (size === undefined) continue;
    const length = view.getUint32(entry + 4, little);
    // Values are in the entry itself if they fit into its last four bytes.
    const at = length * size <= 4 ? entry + 8 : view.getUint32(entry + 8, little);
    const values: number[] = [];
    for (let k = 0; k < Math.min(4, length) && at + (k + 1) * size <= bytes.length; k++) {
      const place = at + k * size;
      values.push(
        size === 1 ? view.getUint8(place) : size === 2 ? view.getUint16(place, little) : view.getUint32(place, little),
      );
    }
    tags.set(view.getUint16(entry, little), values);
  }
  return tags;
}
