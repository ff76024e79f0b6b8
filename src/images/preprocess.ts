/**
 * From a picture to the network's input, as torchvision's evaluation transforms make it: shorter side to S, centre crop
 * C, normalise. The specification is plain data, so that every weight file can carry its own.
 */

import { SenetError } from "../errors.ts";
import { type Interpolation, type Picture, resize } from "./resize.ts";

/** How bytes become the network's numbers: `(byte / scale − mean) / std`, channel by channel. */
export interface Normalization {
  /** The order of the channels that the network wants; `mean` and `std` are in this order too. */
  readonly channels: "rgb" | "bgr";
  /** What bytes are divided by first: 255 for networks trained on [0, 1], 1 for those trained on [0, 255] (Caffe's). */
  readonly scale: 255 | 1;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

export interface Preprocessing extends Normalization {
  /** The shorter side is brought to this many pixels. */
  readonly resize: number;
  /** The side of the centre square that the network sees. */
  readonly crop: number;
  readonly interpolation: Interpolation;
}

/** torchvision's evaluation transform for ImageNet, which most published weights were measured with. */
export const imagenetPreprocessing: Preprocessing = {
  channels: "rgb",
  scale: 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  resize: 256,
  crop: 224,
  interpolation: "bilinear",
};

/** Beyond these a byte would no longer become a number of use, or none that float32 has. */
export const largestMean = 1e6;
export const smallestStd = 1e-6;
export const largestStd = 1e6;

/**
 * Checks a specification that came from a file or an option.
 * @throws SenetError `usage` naming the field
 */
export function checkPreprocessing(spec: Preprocessing): void {
  checkNormalization(spec);
  checkSize("resize", spec.resize);
  checkSize("crop", spec.crop);
  checkInterpolation(spec.interpolation);
}

export function checkNormalization({ channels, scale, mean, std }: Normalization): void {
  if (channels !== "rgb" && channels !== "bgr") unusable("channels", '"rgb" or "bgr"', channels);
  if (scale !== 255 && scale !== 1) unusable("scale", "255 or 1", scale);
  if (mean.length !== 3 || !mean.every((value) => Math.abs(value) <= largestMean)) {
    unusable("mean", `three numbers between -${largestMean} and ${largestMean}`, mean);
  }
  if (std.length !== 3 || !std.every((value) => value >= smallestStd && value <= largestStd)) {
    unusable("std", `three numbers between ${smallestStd} and ${largestStd}`, std);
  }
}

export function checkSize(field: string, value: number): void {
  if (!Number.isInteger(value) || value < 1 || value > 65_535) unusable(field, "a whole number from 1 to 65535", value);
}

export function checkInterpolation(value: string): void {
  if (value !== "bilinear" && value !== "bicubic") unusable("interpolation", '"bilinear" or "bicubic"', value);
}

export function unusable(field: string, expected: string, found: unknown): never {
  throw new SenetError("usage", "an image transform is unusable", {
    where: field,
    expected,
    found: JSON.stringify(found) ?? `${found}`,
  });
}

/** Python's `round`: halves go to the even neighbour. `Math.round` would shift every 341-pixel wide crop by a pixel. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** torchvision's `Resize(size)`: the shorter side becomes `size`; the longer keeps the aspect, rounded down. */
export function shorterSideTo(width: number, height: number, size: number): { width: number; height: number } {
  const long = Math.trunc((size * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: size, height: long } : { width: long, height: size };
}

/** `count` pixels of one axis go from place `from` of the resized picture to place `to` of the crop. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/**
 * The square that the network sees, still in bytes and RGB: torchvision's `Resize(resize)` and `CenterCrop(crop)`, with
 * black around a picture that is smaller than the crop.
 */
export function resizeAndCrop(
  picture: Picture,
  spec: Pick<Preprocessing, "resize" | "crop" | "interpolation">,
): Picture {
  const { width, height } = shorterSideTo(picture.width, picture.height, spec.resize);
  return cropResized(picture, centered(width, spec.crop), centered(height, spec.crop), spec);
}

/** A square of the resized picture, of which only these pixels are ever computed. */
export function cropResized(
  picture: Picture,
  columns: Span,
  rows: Span,
  spec: Pick<Preprocessing, "resize" | "crop" | "interpolation">,
): Picture {
  const { crop } = spec;
  const { width, height } = shorterSideTo(picture.width, picture.height, spec.resize);
  const window = { left: columns.from, top: rows.from, width: columns.count, height: rows.count };
  const part = resize(picture, width, height, spec.interpolation, { window });
  if (columns.count === crop && rows.count === crop) return part;
  const data = new Uint8Array(crop * crop * 3);
  for (let y = 0; y < rows.count; y++) {
    const row = part.data.subarray(y * columns.count * 3, (y + 1) * columns.count * 3);
    data.set(row, ((rows.to + y) * crop + columns.to) * 3);
  }
  return { width: crop, height: crop, data };
}

/** The middle `size` pixels of an extent, as torchvision's `CenterCrop` finds them. */
export function centered(extent: number, size: number): Span {
  if (extent >= size) return { from: roundHalfEven((extent - size) / 2), to: 0, count: size };
  return { from: 0, to: Math.floor((size - extent) / 2), count: extent };
}

/**
 * The network's input for one picture, `[3, crop, crop]` in float32, equal to torchvision's `ToTensor` and `Normalize`
 * to the last bit.
 * @param into where to write it; fresh memory by default
 */
export function preprocess(
  picture: Picture,
  spec: Preprocessing,
  into: Float32Array = new Float32Array(3 * spec.crop * spec.crop),
): Float32Array {
  normalize(resizeAndCrop(picture, spec), spec, into);
  return into;
}

/** `table[channel · 256 + byte]`: with 256 values a channel, looking up is faster than dividing, and exact. */
const tables = new WeakMap<Normalization, Float32Array>();

function tableOf(spec: Normalization): Float32Array {
  let table = tables.get(spec);
  if (table === undefined) {
    table = new Float32Array(3 * 256);
    for (let channel = 0; channel < 3; channel++) {
      const mean = Math.fround(spec.mean[channel]!);
      const std = Math.fround(spec.std[channel]!);
      for (let byte = 0; byte < 256; byte++) {
        // Rounded to float32 after each step, as PyTorch computes it.
        table[channel * 256 + byte] = Math.fround(Math.fround(byte / spec.scale) - mean) / std;
      }
    }
    tables.set(spec, table);
  }
  return table;
}

/**
 * Writes a picture as normalised planes `[3, height, width]` into `into`.
 * @param mirror left and right change places
 */
export function normalize(picture: Picture, spec: Normalization, into: Float32Array, mirror = false): void {
  const { width, height, data } = picture;
  const pixels = width * height;
  if (into.length < pixels * 3) throw new RangeError(`normalize: ${into.length} values cannot hold ${pixels * 3}`);
  const table = tableOf(spec);
  const redPlane = spec.channels === "rgb" ? 0 : 2;
  const bluePlane = 2 - redPlane;
  const red = redPlane * pixels;
  const green = pixels;
  const blue = bluePlane * pixels;
  const redTable = redPlane * 256;
  const blueTable = bluePlane * 256;
  const step = mirror ? -1 : 1;
  let source = 0;
  for (let y = 0; y < height; y++) {
    let target = y * width + (mirror ? width - 1 : 0);
    for (let x = 0; x < width; x++, source += 3, target += step) {
      into[red + target] = table[redTable + data[source]!]!;
      into[green + target] = table[256 + data[source + 1]!]!;
      into[blue + target] = table[blueTable + data[source + 2]!]!;
    }
  }
}
