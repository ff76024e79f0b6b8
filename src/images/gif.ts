/**
 * Decodes the first picture of a GIF. libvips draws transparent areas, and those outside the frame, in other colours
 * than Pillow.
 */

import { PictureFault } from "./fault.ts";
import { wholePalette } from "./palette.ts";
import type { Picture } from "./resize.ts";

/** The first frame: its position and colours. */
interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** Enlarged if the frame overhangs it. */
  readonly screen: { readonly width: number; readonly height: number };
  readonly isInterlaced: boolean;
  readonly palette: Uint8Array;
  /** Index of the transparent colour, or 0. */
  readonly fill: number;
  /** Start of its codes, at the byte with the code size. */
  readonly data: number;
}

/** Finds the first frame. @throws PictureFault where there is none */
export function gifFrame(bytes: Uint8Array): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (offset: number): number => {
    if (offset < bytes.length) return bytes[offset]!;
    throw new PictureFault("the file ends within the picture");
  };
  const paletteAt = (flags: number, start: number) =>
    bytes.subarray(start, start + ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1)));
  at(12);
  const shared = paletteAt(at(10), 13);
  let offset = 13 + shared.length;
  let fill = 0;
  while (at(offset) !== 0x2c) {
    if (at(offset) !== 0x21) throw new PictureFault("it contains no pictures");
    // Graphic control: a flag says that its fourth byte is the transparent colour.
    if (at(offset + 1) === 0xf9 && at(offset + 2) === 4 && (at(offset + 3) & 1) === 1) fill = at(offset + 6);
    for (offset += 2; at(offset) !== 0; ) offset += at(offset) + 1;
    offset++;
  }
  const flags = at(offset + 9);
  const short = (place: number) => view.getUint16(place, true);
  const [left, top, width, height] = [short(offset + 1), short(offset + 3), short(offset + 5), short(offset + 7)];
  const own = paletteAt(flags, offset + 10);
  return {
    left,
    top,
    width,
    height,
    screen: { width: Math.max(short(6), left + width), height: Math.max(short(8), top + height) },
    isInterlaced: (flags & 0x40) !== 0,
    palette: own.length > 0 ? own : shared,
    fill,
    data: offset + 10 + own.length,
  };
}

/**
 * As Pillow's `convert("RGB")`: the first frame on a screen filled with the transparent colour, or colour 0;
 * transparent pixels keep their palette colour.
 * @throws PictureFault
 */
export function decodeGif(bytes: Uint8Array): Picture {
  const { left, top, width, height, screen, isInterlaced, palette, fill, data: start } = gifFrame(bytes);
  if (screen.width === 0 || screen.height === 0) throw new PictureFault("it has no pixels");
  const codeSize = bytes[start] ?? 0;
  if (codeSize < 1 || codeSize > 11) throw new PictureFault(`its codes begin with ${codeSize} bits`);
  const indices = unpack(blocksOf(bytes, start + 1), codeSize, width * height);
  const colours = wholePalette(palette);
  const data = new Uint8Array(screen.width * screen.height * 3);
  const put = (pixel: number, index: number) => {
    data[pixel * 3] = colours[index * 3]!;
    data[pixel * 3 + 1] = colours[index * 3 + 1]!;
    data[pixel * 3 + 2] = colours[index * 3 + 2]!;
  };
  if (width !== screen.width || height !== screen.height) {
    for (let pixel = 0; pixel < screen.width * screen.height; pixel++) put(pixel, fill);
  }
  let from = 0;
  for (const row of rowsOf(height, isInterlaced)) {
    let pixel = (top + row) * screen.width + left;
    for (let x = 0; x < width; x++) put(pixel++, indices[from++]!);
  }
  return { ...screen, data };
}

/** Row numbers in storage order. */
function* rowsOf(height: number, isInterlaced: boolean): Generator<number> {
  const passes: [number, number][] = isInterlaced
    ? [
        [0, 8],
        [4, 8],
        [2, 4],
        [1, 2],
      ]
    : [[0, 1]];
  for (const [start, step] of passes) for (let row = start; row < height; row += step) yield row;
}

/** The data of the following blocks, up to an empty one or the end of the file. */
function blocksOf(bytes: Uint8Array, start: number): Uint8Array {
  const data = new Uint8Array(bytes.length - start);
  let length = 0;
  for (let at = start; at < bytes.length && bytes[at] !== 0; at += bytes[at]! + 1) {
    const block = bytes.subarray(at + 1, at + 1 + bytes[at]!);
    data.set(block, length);
    length += block.length;
  }
  return data.subarray(0, length);
}

/** Decodes LZW codes of variable length, at most 12 bits, until there are `count` values. */
function unpack(data: Uint8Array, codeSize: number, count: number): Uint8Array {
  const clear = 1 << codeSize;
  const prefix = new Uint16Array(4096);
  const last = new Uint8Array(4096);
  const lengths = new Uint16Array(4096).fill(1, 0, clear);
  for (let code = 0; code < clear; code++) last[code] = code;
  const out = new Uint8Array(count);
  let written = 0;
  let next = clear + 2;
  let bits = codeSize + 1;
  let previous = -1;
  let held = 0;
  let holds = 0;
  let at = 0;
  while (written < count) {
    while (holds < bits) {
      if (at === data.length) throw new PictureFault("the file ends within the picture");
      held |= data[at++]! << holds;
      holds += 8;
    }
    const code = held & ((1 << bits) - 1);
    held >>>= bits;
    holds -= bits;
    if (code === clear) {
      next = clear + 2;
      bits = codeSize + 1;
      previous = -1;
      continue;
    }
    if (code === clear + 1) throw new PictureFault("the picture ends too early");
    if (code > next || (code === next && previous < 0)) throw new PictureFault("a code stands for nothing");
    // A code defined just now: the previous sequence plus its first value.
    const isNew = code === next;
    const known = isNew ? previous : code;
    const length = lengths[known]! + (isNew ? 1 : 0);
    let place = written + length - 1;
    let first = known;
    if (isNew) place--;
    for (let step = known; ; step = prefix[step]!) {
      if (place < count) out[place] = last[step]!;
      place--;
      first = step;
      if (lengths[step] === 1) break;
    }
    const value = last[first]!;
    if (isNew && written + length - 1 < count) out[written + length - 1] = value;
    written += length;
    if (previous >= 0 && next < 4096) {
      prefix[next] = previous;
      last[next] = value;
      lengths[next] = lengths[previous]! + 1;
      next++;
      if (next === 1 << bits && bits < 12) bits++;
    }
    previous = code;
  }
  return out;
}
