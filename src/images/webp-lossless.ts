/** Decodes lossless WebP (VP8L, RFC 9649), undoing its transforms (section 4). */

import { clamped } from "./clamped.ts";
import { PictureFault, UnsupportedPicture } from "./fault.ts";
import { Bits, divided, image } from "./webp-entropy.ts";

/** Pixels are 0xAARRGGBB. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly argb: Uint32Array;
}

/** @param bytes the body of a `VP8L` chunk. @throws PictureFault where it is damaged or truncated */
export function decodeVp8l(bytes: Uint8Array): Pixels {
  const bits = new Bits(bytes);
  if (bits.read(8) !== 0x2f) throw new PictureFault("its lossless picture has no signature");
  const [width, height] = [1 + bits.read(14), 1 + bits.read(14)];
  // The alpha flag does not affect colours.
  bits.read(1);
  const version = bits.read(3);
  if (version !== 0) throw new UnsupportedPicture(`lossless WebP of version ${version} is not decoded`);
  const undo: ((argb: Uint32Array) => Uint32Array)[] = [];
  const seen = new Set<number>();
  // Several indices may be packed into one pixel.
  let across = width;
  while (bits.read(1) === 1) {
    const kind = bits.read(2);
    if (seen.has(kind)) throw new PictureFault("a transform of it comes twice");
    seen.add(kind);
    const transform = transforms[kind]!(bits, across, height);
    undo.unshift(transform.undo);
    across = transform.across;
  }
  let argb = image(bits, across, height, true);
  for (const step of undo) argb = step(argb);
  return { width, height, argb };
}

interface Transform {
  /** Width of the transformed picture. */
  readonly across: number;
  undo(argb: Uint32Array): Uint32Array;
}

type ReadTransform = (bits: Bits, width: number, height: number) => Transform;

/** Transforms by number. */
const transforms: readonly ReadTransform[] = [
  (bits, width, height) => {
    const { at } = blocksOf(bits, width, height);
    return { across: width, undo: (argb) => unpredicted(argb, width, (x, y) => (at(x, y) >>> 8) & 15) };
  },
  (bits, width, height) => {
    const { at } = blocksOf(bits, width, height);
    return {
      across: width,
      undo: (argb) => argb.map((pixel, i) => recoloured(pixel, at(i % width, Math.floor(i / width)))),
    };
  },
  (_, width) => ({
    across: width,
    undo: (argb) =>
      argb.map((pixel) => {
        const green = (pixel >>> 8) & 255;
        return (pixel & 0xff00ff00) | (((pixel & 0x00ff00ff) + ((green << 16) | green)) & 0x00ff00ff);
      }),
  }),
  (bits, width, height) => {
    const colours = image(bits, 1 + bits.read(8), 1, false);
    for (let i = 1; i < colours.length; i++) colours[i] = added(colours[i]!, colours[i - 1]!);
    const shared = colours.length <= 2 ? 3 : colours.length <= 4 ? 2 : colours.length <= 16 ? 1 : 0;
    const across = divided(width, shared);
    const [depth, mask] = [8 >> shared, (1 << (8 >> shared)) - 1];
    const painted = (argb: Uint32Array) => {
      const all = new Uint32Array(width * height);
      for (let y = 0, i = 0; y < height; y++) {
        for (let x = 0; x < width; x++, i++) {
          const indices = argb[y * across + (x >>> shared)]! >>> 8;
          all[i] = colours[(indices >>> (depth * (x & ((1 << shared) - 1)))) & mask] ?? 0;
        }
      }
      return all;
    };
    return { across, undo: painted };
  },
];

/** A picture with one pixel per block. */
function blocksOf(bits: Bits, width: number, height: number) {
  const size = 2 + bits.read(3);
  const across = divided(width, size);
  const blocks = image(bits, across, divided(height, size), false);
  return { at: (x: number, y: number) => blocks[(y >>> size) * across + (x >>> size)]! };
}

/** Adds channel by channel without carry. */
const added = (a: number, b: number): number =>
  (((((a >>> 8) & 0x00ff00ff) + ((b >>> 8) & 0x00ff00ff)) & 0x00ff00ff) << 8) |
  (((a & 0x00ff00ff) + (b & 0x00ff00ff)) & 0x00ff00ff);

/** Average of each channel, rounded down. */
const average = (a: number, b: number): number => (((a ^ b) & 0xfefefefe) >>> 1) + (a & b);

const channel = (argb: number, shift: number): number => (argb >>> shift) & 255;
const each = (of: (shift: number) => number): number => (of(24) << 24) | (of(16) << 16) | (of(8) << 8) | of(0);
const distanceBetween = (a: number, b: number): number =>
  [0, 8, 16, 24].reduce((sum, shift) => sum + Math.abs(channel(a, shift) - channel(b, shift)), 0);

type Predict = (left: number, top: number, topLeft: number, topRight: number) => number;

const predictors: readonly Predict[] = [
  () => 0xff000000,
  (left) => left,
  (_, top) => top,
  (_, __, ___, topRight) => topRight,
  (_, __, topLeft) => topLeft,
  (left, top, _, topRight) => average(average(left, topRight), top),
  (left, _, topLeft) => average(left, topLeft),
  (left, top) => average(left, top),
  (_, top, topLeft) => average(topLeft, top),
  (_, top, __, topRight) => average(top, topRight),
  (left, top, topLeft, topRight) => average(average(left, topLeft), average(top, topRight)),
  (left, top, topLeft) => (distanceBetween(top, topLeft) < distanceBetween(left, topLeft) ? left : top),
  (left, top, topLeft) =>
    each((shift) => clamped(channel(left, shift) + channel(top, shift) - channel(topLeft, shift))),
  (left, top, topLeft) => {
    const middle = average(left, top);
    return each((shift) => {
      const value = channel(middle, shift);
      return clamped(value + Math.trunc((value - channel(topLeft, shift)) / 2));
    });
  },
  // The last two are undefined.
  () => 0xff000000,
  () => 0xff000000,
];

function unpredicted(argb: Uint32Array, width: number, modeAt: (x: number, y: number) => number): Uint32Array {
  for (let i = 0, x = 0, y = 0; i < argb.length; i++) {
    const left = argb[i - 1] ?? 0xff000000;
    // To the right of the last column is the first pixel of the next row.
    const predicted =
      y === 0
        ? left
        : x === 0
          ? argb[i - width]!
          : predictors[modeAt(x, y)]!(left, argb[i - width]!, argb[i - width - 1]!, argb[i - width + 1]!);
    argb[i] = added(argb[i]!, predicted);
    if (++x === width) [x, y] = [0, y + 1];
  }
  return argb;
}

const signed = (byte: number): number => (byte << 24) >> 24;

/** Undoes the colour transform, by an element of the transform's picture. */
function recoloured(pixel: number, element: number): number {
  const share = (factor: number, colour: number) => (signed(channel(element, factor)) * signed(colour)) >> 5;
  const green = channel(pixel, 8);
  const red = (channel(pixel, 16) + share(0, green)) & 255;
  const blue = (channel(pixel, 0) + share(8, green) + share(16, red)) & 255;
  return (pixel & 0xff00ff00) | (red << 16) | blue;
}
