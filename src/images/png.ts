/**
 * Decodes all kinds of PNG (ISO/IEC 15948) to the bytes of Pillow's `convert("RGB")`: alpha and transparent colours are
 * dropped.
 */

import { PictureFault, UnsupportedPicture } from "./fault.ts";
import { ascii } from "./format.ts";
import { wholePalette } from "./palette.ts";
import type { Picture } from "./resize.ts";
import { fromGrey16, fromRgb } from "./samples.ts";

interface Header {
  readonly width: number;
  readonly height: number;
  /** Bits per sample. */
  readonly depth: number;
  readonly colour: number;
  readonly isInterlaced: boolean;
}

/** Samples per pixel and allowed depths, by colour type. */
const kinds: Readonly<Record<number, readonly [channels: number, depths: readonly number[]]>> = {
  0: [1, [1, 2, 4, 8, 16]],
  2: [3, [8, 16]],
  3: [1, [1, 2, 4, 8]],
  4: [2, [8, 16]],
  6: [4, [8, 16]],
};

/** Adam7: start and steps of each pass. */
const passes = [
  { left: 0, top: 0, across: 8, down: 8 },
  { left: 4, top: 0, across: 8, down: 8 },
  { left: 0, top: 4, across: 4, down: 8 },
  { left: 2, top: 0, across: 4, down: 4 },
  { left: 0, top: 2, across: 2, down: 4 },
  { left: 1, top: 0, across: 2, down: 2 },
  { left: 0, top: 1, across: 1, down: 2 },
];

/** @throws PictureFault where the file is damaged or truncated */
export async function decodePng(bytes: Uint8Array): Promise<Picture> {
  const { header, palette, parts } = chunksOf(bytes);
  const { width, height, depth, colour } = header;
  const [channels] = kinds[colour]!;
  const shares = (header.isInterlaced ? passes : [{ left: 0, top: 0, across: 1, down: 1 }])
    .map((pass) => ({
      ...pass,
      width: Math.ceil((width - pass.left) / pass.across),
      height: Math.ceil((height - pass.top) / pass.down),
    }))
    .filter((pass) => pass.width > 0 && pass.height > 0);
  const rowBytes = (pixels: number) => Math.ceil((pixels * channels * depth) / 8);
  const length = shares.reduce((sum, share) => sum + share.height * (1 + rowBytes(share.width)), 0);
  const raw = await inflated(parts, length);

  const isDeep = depth === 16;
  const samples = new (isDeep ? Uint16Array : Uint8Array)(width * height * channels);
  const pixelBytes = Math.max(1, (channels * depth) / 8);
  let at = 0;
  for (const share of shares) {
    const bytesOfRow = rowBytes(share.width);
    let above: Uint8Array = new Uint8Array(bytesOfRow);
    for (let y = 0; y < share.height; y++) {
      const row = raw.subarray(at + 1, at + 1 + bytesOfRow);
      unfilter(raw[at]!, row, above, pixelBytes);
      const start = (share.top + y * share.down) * width + share.left;
      if (depth === 8 && !header.isInterlaced) samples.set(row, start * channels);
      else
        for (let i = 0; i < share.width * channels; i++) {
          const x = Math.floor(i / channels);
          samples[(start + x * share.across) * channels + (i % channels)] = sampleAt(row, i, depth);
        }
      above = row;
      at += 1 + bytesOfRow;
    }
  }
  if (isDeep && colour === 0) return fromGrey16({ width, height, channels, data: samples as Uint16Array });
  // Pillow uses the upper half of 16-bit samples other than grey.
  const data = isDeep ? Uint8Array.from(samples, (sample) => sample >> 8) : (samples as Uint8Array);
  if (colour === 3) return { width, height, data: painted(data, palette) };
  if (colour === 0 && depth < 8) {
    const white = 255 / ((1 << depth) - 1);
    for (let i = 0; i < data.length; i++) data[i] = data[i]! * white;
  }
  return fromRgb({ width, height, channels, data });
}

function chunksOf(bytes: Uint8Array): { header: Header; palette: Uint8Array; parts: readonly Uint8Array[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: Header | undefined;
  let palette: Uint8Array = new Uint8Array(0);
  const parts: Uint8Array[] = [];
  for (let at = 8; ; ) {
    if (at + 12 > bytes.length) throw new PictureFault("the file ends within the picture");
    const length = view.getUint32(at);
    const kind = ascii(bytes, at + 4, at + 8);
    const end = at + 12 + length;
    if (end > bytes.length) throw new PictureFault("the file ends within the picture");
    const body = bytes.subarray(at + 8, end - 4);
    // Chunks whose name starts with a lower-case letter can be skipped.
    const isCritical = /^[A-Z]/.test(kind);
    if (isCritical && crc32(bytes.subarray(at + 4, end - 4)) !== view.getUint32(end - 4)) {
      throw new PictureFault(`the checksum of its ${kind} chunk is wrong`);
    }
    if (kind === "IHDR") header = headerOf(body);
    else if (header === undefined) throw new PictureFault("its IHDR chunk is missing");
    else if (kind === "PLTE") palette = body;
    else if (kind === "IDAT") parts.push(body);
    else if (kind === "IEND") break;
    else if (isCritical) throw new UnsupportedPicture(`its ${kind} chunk is not decoded`);
    at = end;
  }
  if (header === undefined || parts.length === 0) throw new PictureFault("it contains no pictures");
  return { header, palette, parts };
}

function headerOf(body: Uint8Array): Header {
  if (body.length !== 13) throw new PictureFault("its IHDR chunk is not sound");
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const [depth, colour, compression, filter, interlace] = body.subarray(8) as unknown as readonly number[];
  const isKnown = kinds[colour!]?.[1].includes(depth!) === true && compression === 0 && filter === 0 && interlace! < 2;
  const header = { width: view.getUint32(0), height: view.getUint32(4), depth: depth!, colour: colour! };
  if (!isKnown || header.width === 0 || header.height === 0) throw new PictureFault("its IHDR chunk is not sound");
  return { ...header, isInterlaced: interlace === 1 };
}

/** Inflates the parts to `length` bytes; anything after that is ignored. */
async function inflated(parts: readonly Uint8Array[], length: number): Promise<Uint8Array> {
  const whole = new Uint8Array(length);
  let at = 0;
  const compressed = new Blob(parts as Uint8Array<ArrayBuffer>[]).stream();
  const reader = compressed.pipeThrough(new DecompressionStream("deflate")).getReader();
  try {
    while (at < length) {
      const { done, value } = await reader.read();
      if (done) break;
      const wanted = value.subarray(0, length - at);
      whole.set(wanted, at);
      at += wanted.length;
    }
  } catch (cause) {
    if (at < length) throw new PictureFault("its pixels do not decompress", { cause });
  }
  // The rest of the stream, and any error in it, is irrelevant.
  reader.cancel().catch(() => {});
  if (at < length) throw new PictureFault("it has fewer pixels than it says");
  return whole;
}

/** Undoes a row's filter. @param pixelBytes distance to the left neighbour */
function unfilter(filter: number, row: Uint8Array, above: Uint8Array, pixelBytes: number): void {
  if (filter > 4) throw new PictureFault(`there is no filter ${filter}`);
  if (filter === 0) return;
  for (let i = 0; i < row.length; i++) {
    const left = i < pixelBytes ? 0 : row[i - pixelBytes]!;
    const up = above[i]!;
    if (filter === 1) row[i] = row[i]! + left;
    else if (filter === 2) row[i] = row[i]! + up;
    else if (filter === 3) row[i] = row[i]! + ((left + up) >> 1);
    else row[i] = row[i]! + paeth(left, up, i < pixelBytes ? 0 : above[i - pixelBytes]!);
  }
}

/** The neighbour nearest to left + up − corner. */
function paeth(left: number, up: number, corner: number): number {
  const [byLeft, byUp] = [Math.abs(up - corner), Math.abs(left - corner)];
  const byCorner = Math.abs(left + up - 2 * corner);
  if (byLeft <= byUp && byLeft <= byCorner) return left;
  return byUp <= byCorner ? up : corner;
}

function sampleAt(row: Uint8Array, index: number, depth: number): number {
  if (depth === 8) return row[index]!;
  if (depth === 16) return (row[2 * index]! << 8) | row[2 * index + 1]!;
  const bit = index * depth;
  return (row[bit >> 3]! >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
}

function painted(indices: Uint8Array, palette: Uint8Array): Uint8Array {
  const colours = wholePalette(palette);
  const rgb = new Uint8Array(3 * indices.length);
  for (const [i, index] of indices.entries()) {
    for (let channel = 0; channel < 3; channel++) rgb[3 * i + channel] = colours[3 * index + channel]!;
  }
  return rgb;
}

/**
 * The same file with as many colours in its palette as pixels may name, for decoders that would take others than Pillow,
 * or none at all; `undefined` where it has them, or no palette.
 */
export function withWholePalette(bytes: Uint8Array): Uint8Array | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [depth = 0, colour] = bytes.subarray(24, 26);
  if (bytes.length < 33 || colour !== 3 || depth > 8) return undefined;
  const length = 3 * 2 ** depth;
  for (let at = 33; at + 12 <= bytes.length; ) {
    const kind = ascii(bytes, at + 4, at + 8);
    const end = at + 12 + view.getUint32(at);
    if (end > bytes.length) return undefined;
    if (kind === "PLTE" || kind === "IDAT") {
      const palette = kind === "PLTE" ? bytes.subarray(at + 8, end - 4) : new Uint8Array(0);
      if (palette.length === length) return undefined;
      const chunk = new Uint8Array(12 + length);
      chunk.set([...asBytes(length), ...new TextEncoder().encode("PLTE")]);
      chunk.set(wholePalette(palette).subarray(0, length), 8);
      chunk.set(asBytes(crc32(chunk.subarray(4, -4))), 8 + length);
      const parts = [bytes.subarray(0, at), chunk, bytes.subarray(kind === "PLTE" ? end : at)];
      const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
      let place = 0;
      for (const part of parts) {
        whole.set(part, place);
        place += part.length;
      }
      return whole;
    }
    at = end;
  }
  return undefined;
}

const asBytes = (number: number): number[] => [24, 16, 8, 0].map((shift) => (number >>> shift) & 255);

const crcs = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  return crc;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ crcs[(crc ^ byte) & 255]!;
  return ~crc >>> 0;
}
