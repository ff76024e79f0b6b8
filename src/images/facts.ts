/**
 * Facts about a picture for checks of a data set: its size, its channels, a hash of its pixels and a perceptual hash,
 * by which copies are found.
 */

import { type Picture, resize } from "./resize.ts";

/**
 * Index of each fact in a row of numbers that float32 represents exactly (hashes have 16 bits per number), so that rows
 * can be passed around like network inputs.
 */
export const Fact = {
  width: 0,
  height: 1,
  /** Means of the channels, 0 to 255. */
  mean: 2,
  /** Means of their squares. */
  square: 5,
  /** 64-bit hash of size and pixels. */
  pixels: 8,
  /** 256-bit perceptual hash (`writeLooks`). */
  looks: 12,
  /** Four unused. */
  side: 6,
} as const;

/** Numbers in a perceptual hash. */
export const looksLength = 16;
/** Bits in a perceptual hash. */
export const looksBits = 16 * looksLength;

/** Writes the picture's facts, `[Fact.side · Fact.side]`. */
export function writeFacts(picture: Picture, into: Float32Array): void {
  into.fill(0);
  into[Fact.width] = picture.width;
  into[Fact.height] = picture.height;
  writeChannels(picture, into);
  writePixels(picture, into);
  writeLooks(picture, into);
}

function writeChannels({ width, height, data }: Picture, into: Float32Array): void {
  // Whole numbers below 2⁵³: exact for any picture that can be decoded.
  const sums = [0, 0, 0];
  const squares = [0, 0, 0];
  for (let channel = 0; channel < 3; channel++) {
    let sum = 0;
    let square = 0;
    for (let i = channel; i < data.length; i += 3) {
      const value = data[i]!;
      sum += value;
      square += value * value;
    }
    sums[channel] = sum;
    squares[channel] = square;
  }
  const count = width * height;
  for (let channel = 0; channel < 3; channel++) {
    into[Fact.mean + channel] = sums[channel]! / count;
    into[Fact.square + channel] = squares[channel]! / count;
  }
}

/** Two 32-bit hashes over the bytes, four at a time, mixed as MurmurHash3 does (Appleby, public domain). */
function writePixels({ width, height, data }: Picture, into: Float32Array): void {
  const first = mixedOver(data, width, 0x9747b28c);
  const second = mixedOver(data, height, 0x3c6ef372);
  for (const [i, hash] of [first, second].entries()) {
    into[Fact.pixels + 2 * i] = hash >>> 16;
    into[Fact.pixels + 2 * i + 1] = hash & 0xffff;
  }
}

function mixedOver(data: Uint8Array, length: number, seed: number): number {
  // Copied if the bytes are not word-aligned.
  const bytes = data.byteOffset % 4 === 0 ? data : data.slice();
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let hash = mixed(seed, length);
  for (let i = 0; i < words.length; i++) hash = mixed(hash, words[i]!);
  for (let i = words.length * 4; i < bytes.length; i++) hash = mixed(hash, bytes[i]!);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function mixed(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = hash ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** Side of the grid of the perceptual hash. */
const gridSide = 16;

/**
 * The difference hash of Krawetz (2013): of the picture in grey at 17 × 16 pixels, a bit says whether a pixel is darker
 * than its right neighbour. Scaling, compression and small changes of brightness change few bits.
 */
function writeLooks(picture: Picture, into: Float32Array): void {
  const { data } = resize(picture, gridSide + 1, gridSide, "bilinear");
  const grey = (pixel: number) => 299 * data[3 * pixel]! + 587 * data[3 * pixel + 1]! + 114 * data[3 * pixel + 2]!;
  for (let y = 0; y < gridSide; y++) {
    let bits = 0;
    for (let x = 0; x < gridSide; x++) {
      const pixel = y * (gridSide + 1) + x;
      bits = bits * 2 + (grey(pixel) < grey(pixel + 1) ? 1 : 0);
    }
    into[Fact.looks + y] = bits;
  }
}
