/**
 * Pre-processing: from a picture to the network's input, as torchvision's evaluation transforms do it (shorter side to
 * S, centre crop C, normalise), or as Caffe's data layers do it (another size or none, and a mean image). The
 * specification is plain data, stored in every weight file.
 */

import { SenetError } from "../errors.ts";
import { shownValue } from "../text.ts";
import { normalizeFast } from "./kernels.ts";
import { type Interpolation, type Picture, resize } from "./resize.ts";

/** How bytes become the network's input values: `(byte / scale − mean) / std`, channel by channel. */
export interface Normalization {
  /**
   * The network's order of channels, in which `mean` and `std` are also given. `grey`: one channel, the luma that
   * Pillow's `convert("L")` computes first; the first entries of `mean` and `std` apply.
   */
  readonly channels: "rgb" | "bgr" | "grey";
  /** Divisor of bytes: 255 for networks trained on [0, 1], 1 for those trained on [0, 255] (Caffe's). */
  readonly scale: 255 | 1;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /**
   * Replaces `mean` and `std`: normalises each picture by the mean of all its values, and the square root of their
   * variance plus this. 10, for values from 0 to 255, in nutszebra's recipe for CIFAR.
   */
  readonly byPicture?: number | undefined;
}

/**
 * The size of a picture before the crop: a number of pixels for the shorter side, with the longer in proportion; a
 * width and a height, whatever the proportions; or `none` for the original size, which must be at least the crop's.
 */
export type Resize = number | "none" | readonly [width: number, height: number];

export interface Preprocessing extends Normalization {
  readonly resize: Resize;
  /** Side of the centre crop, the network's input. */
  readonly crop: number;
  readonly interpolation: Interpolation;
  /**
   * Replaces `mean` by a mean image: `[3, crop, crop]` in the network's order of channels, as base64 of little-endian
   * float32 (`encodeMeanImage`).
   */
  readonly meanImage?: string | undefined;
}

/** torchvision's evaluation transform for ImageNet, with which most published weights were evaluated. */
export const imagenetPreprocessing: Preprocessing = {
  channels: "rgb",
  scale: 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  resize: 256,
  crop: 224,
  interpolation: "bilinear",
};

/** Limits of mean and std, beyond which values would be useless or exceed float32. */
export const largestMean = 1e6;
export const smallestStd = 1e-6;
export const largestStd = 1e6;

/** Number of planes of the network's input. */
export const planesOf = ({ channels }: Pick<Normalization, "channels">): 1 | 3 => (channels === "grey" ? 1 : 3);

/** The luma of the pixel at byte `i`, as by Pillow's `convert("L")`: weights in 65,536ths. */
export const lumaOf = (data: Uint8Array, i: number): number =>
  (19595 * data[i]! + 38470 * data[i + 1]! + 7471 * data[i + 2]! + 0x8000) >> 16;

/** The picture as the network sees it: for grey, all three channels are the luma. */
export function seenAs(picture: Picture, { channels }: Pick<Normalization, "channels">): Picture {
  if (channels !== "grey") return picture;
  const data = new Uint8Array(picture.data.length);
  for (let i = 0; i < data.length; i += 3) {
    data.fill(lumaOf(picture.data, i), i, i + 3);
  }
  return { ...picture, data };
}

export function unusable(field: string, expected: string, found: unknown): never {
  throw new SenetError("usage", "an image transform is unusable", {
    where: field,
    expected,
    found: shownValue(found),
  });
}

/** Python's `round`: halves to even. `Math.round` would shift every crop of a 341-pixel wide picture by one pixel. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** torchvision's `Resize(size)`: the shorter side becomes `size`; the longer keeps the aspect ratio, rounded down. */
export function shorterSideTo(width: number, height: number, size: number): { width: number; height: number } {
  const long = Math.trunc((size * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: size, height: long } : { width: long, height: size };
}

/**
 * The size to which a picture is resized.
 * @throws SenetError `data` where it is not resized but smaller than the crop
 */
export function resizedSize(
  { width, height }: Pick<Picture, "width" | "height">,
  { resize, crop }: Pick<Preprocessing, "resize" | "crop">,
): { width: number; height: number } {
  if (typeof resize === "number") return shorterSideTo(width, height, resize);
  if (resize !== "none") return { width: resize[0], height: resize[1] };
  if (Math.min(width, height) >= crop) return { width, height };
  throw new SenetError("data", "the picture is smaller than the crop that the network sees, and its size is to stay", {
    expected: `at least ${crop} by ${crop} pixels`,
    found: `${width} by ${height}`,
    hint: "bring it to the size of the pictures that the network was trained with",
  });
}

/** Along one axis, `count` pixels from `from` in the resized picture go to `to` in the crop. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/**
 * The network's square of the picture, as RGB bytes: torchvision's `Resize(resize)` and `CenterCrop(crop)`, with black
 * around a picture smaller than the crop.
 */
export function resizeAndCrop(
  picture: Picture,
  spec: Pick<Preprocessing, "resize" | "crop" | "interpolation"> & { readonly scale?: 255 | 1 },
): Picture {
  const { width, height } = resizedSize(picture, spec);
  const span = (extent: number) => centered(extent, spec.crop, halfOf(spec));
  return cropResized(picture, span(width), span(height), spec);
}

/** A square of the resized picture; only its pixels are computed. */
export function cropResized(
  picture: Picture,
  columns: Span,
  rows: Span,
  spec: Pick<Preprocessing, "resize" | "crop" | "interpolation">,
): Picture {
  const { crop } = spec;
  const { width, height } = resizedSize(picture, spec);
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

/**
 * How half an odd number of pixels is rounded: to even in torchvision's crops, down in Caffe's (whose `scale` is 1).
 */
export const halfOf = ({
  resize,
  scale,
}: Pick<Preprocessing, "resize"> & { scale?: 255 | 1 }): ((x: number) => number) =>
  typeof resize === "number" || scale === 255 ? roundHalfEven : Math.floor;

/** The centre `size` pixels of an extent, as in torchvision's `CenterCrop`. */
export function centered(extent: number, size: number, half: (x: number) => number = roundHalfEven): Span {
  if (extent >= size) return { from: half((extent - size) / 2), to: 0, count: size };
  return { from: 0, to: Math.floor((size - extent) / 2), count: extent };
}

/**
 * The network's input for one picture, `[planes, crop, crop]` in float32, equal to torchvision's `ToTensor` and
 * `Normalize` to the last bit.
 * @param into where to write it; default: newly allocated
 */
export function preprocess(
  picture: Picture,
  spec: Preprocessing,
  into: Float32Array = new Float32Array(planesOf(spec) * spec.crop * spec.crop),
): Float32Array {
  normalize(resizeAndCrop(seenAs(picture, spec), spec), spec, into);
  return into;
}

/** `table[channel · 256 + byte]`: with 256 values per channel, a look-up is exact and faster than dividing. */
const tables = new WeakMap<Normalization, Float32Array>();

function tableOf(spec: Normalization): Float32Array {
  let table = tables.get(spec);
  if (table === undefined) {
    table = new Float32Array(3 * 256);
    for (let channel = 0; channel < 3; channel++) {
      const mean = Math.fround(spec.mean[channel]!);
      const std = Math.fround(spec.std[channel]!);
      for (let byte = 0; byte < 256; byte++) {
        // Rounded to float32 after each operation, as in PyTorch.
        table[channel * 256 + byte] = Math.fround(Math.fround(byte / spec.scale) - mean) / std;
      }
    }
    tables.set(spec, table);
  }
  return table;
}

const meanImages = new Map<string, Float32Array>();

export function decodeMeanImage(text: string): Float32Array {
  let values = meanImages.get(text);
  if (values === undefined) {
    let bytes: string;
    try {
      bytes = atob(text);
    } catch {
      return unusable("meanImage", "base64", `${text.slice(0, 20)}...`);
    }
    const view = new DataView(Uint8Array.from(bytes, (character) => character.charCodeAt(0)).buffer);
    values = new Float32Array(Math.floor(bytes.length / 4));
    for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(4 * i, true);
    // Usually there is only one network.
    meanImages.clear();
    meanImages.set(text, values);
  }
  return values;
}

/** As `normalize`, with a mean image; mirrors after subtracting it, as Caffe does. */
function normalizeByPixel(
  { width, height, data }: Picture,
  spec: Normalization,
  mean: Float32Array,
  into: Float32Array,
  mirror: boolean,
): void {
  const pixels = width * height;
  if (mean.length !== 3 * pixels) unusable("meanImage", `means of ${width} by ${height} pixels`, mean.length);
  for (let channel = 0; channel < 3; channel++) {
    const std = Math.fround(spec.std[channel]!);
    const color = spec.channels === "rgb" ? channel : 2 - channel;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const from = y * width + x;
        const to = channel * pixels + y * width + (mirror ? width - 1 - x : x);
        const value = Math.fround(data[3 * from + color]! / spec.scale);
        into[to] = Math.fround(value - mean[channel * pixels + from]!) / std;
      }
    }
  }
}

/**
 * Writes a picture as normalised planes `[planes, height, width]` to `into`; a grey picture must have equal channels.
 * @param mirror whether to mirror left and right
 */
export function normalize(
  picture: Picture,
  spec: Normalization & { readonly meanImage?: string | undefined },
  into: Float32Array,
  mirror = false,
): void {
  const { width, height, data } = picture;
  const pixels = width * height;
  const length = pixels * planesOf(spec);
  if (into.length < length) throw new RangeError(`normalize: ${into.length} values cannot hold ${length}`);
  if (spec.meanImage !== undefined) {
    normalizeByPixel(picture, spec, decodeMeanImage(spec.meanImage), into, mirror);
    return;
  }
  if (spec.byPicture !== undefined) {
    normalize(picture, ofPicture(picture, spec, spec.byPicture), into, mirror);
    return;
  }
  const table = tableOf(spec);
  const channels = planeChannels[spec.channels];
  if (normalizeFast(data, width, height, table, channels, into, mirror)) return;
  for (const [plane, channel] of channels.entries()) {
    const values = table.subarray(plane * 256, (plane + 1) * 256);
    for (let y = 0, source = channel; y < height; y++) {
      const row = plane * pixels + y * width;
      for (let x = 0; x < width; x++, source += 3) {
        into[row + (mirror ? width - 1 - x : x)] = values[data[source]!]!;
      }
    }
  }
}

/** Normalisation by the picture's own mean and deviation, for all its channels. */
function ofPicture({ width, height, data }: Picture, spec: Normalization, more: number): Normalization {
  const count = 3 * width * height;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < count; i++) {
    sum += data[i]!;
    squares += data[i]! ** 2;
  }
  const mean = sum / count;
  // Both sums are whole numbers, and exact.
  const variance = Math.max(0, squares / count - mean ** 2);
  const m = mean / spec.scale;
  const std = Math.sqrt(variance / spec.scale ** 2 + more);
  return { channels: spec.channels, scale: spec.scale, mean: [m, m, m], std: [std, std, std] };
}

/** Channel of the picture for each plane. */
const planeChannels = { rgb: [0, 1, 2], bgr: [2, 1, 0], grey: [0] } as const;
