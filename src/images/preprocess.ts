/**
 * From a picture to the network's input, as torchvision's evaluation transforms make it: shorter side to S, centre crop
 * C, normalise; or as Caffe's data layers do: another size or none, and a mean for each pixel. The specification is plain
 * data, so that every weight file can carry its own.
 */

import { SenetError } from "../errors.ts";
import { normalizeFast } from "./kernels.ts";
import { type Interpolation, type Picture, resize } from "./resize.ts";

/** How bytes become the network's numbers: `(byte / scale − mean) / std`, channel by channel. */
export interface Normalization {
  /**
   * The order of the channels that the network wants; `mean` and `std` are in this order too. `grey`: one channel, the
   * luma that Pillow's `convert("L")` makes of the picture before anything else; of `mean` and `std` the first counts.
   */
  readonly channels: "rgb" | "bgr" | "grey";
  /** What bytes are divided by first: 255 for networks trained on [0, 1], 1 for those trained on [0, 255] (Caffe's). */
  readonly scale: 255 | 1;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /**
   * In the place of `mean` and `std`: each picture by itself, minus the mean of all its numbers, divided by the root of
   * their variance plus this. 10, for numbers from 0 to 255, in nutszebra's recipe for CIFAR.
   */
  readonly byPicture?: number | undefined;
}

/**
 * What a picture's size becomes before the crop: the shorter side so many pixels, the longer in proportion; a width and
 * a height, whatever the proportions were; or `none`: it stays, and must be at least as large as the crop.
 */
export type Resize = number | "none" | readonly [width: number, height: number];

export interface Preprocessing extends Normalization {
  readonly resize: Resize;
  /** The side of the centre square that the network sees. */
  readonly crop: number;
  readonly interpolation: Interpolation;
  /**
   * In the place of `mean`, a mean for each pixel: `[3, crop, crop]` in the network's order of channels, as the base64 of
   * little-endian float32 (`encodeMeanImage`).
   */
  readonly meanImage?: string | undefined;
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

/** How many planes a picture becomes. */
export const planesOf = ({ channels }: Pick<Normalization, "channels">): 1 | 3 => (channels === "grey" ? 1 : 3);

/** What Pillow's `convert("L")` makes of the pixel at byte `i`: weights in 65,536ths. */
export const lumaOf = (data: Uint8Array, i: number): number =>
  (19595 * data[i]! + 38470 * data[i + 1]! + 7471 * data[i + 2]! + 0x8000) >> 16;

/** The picture as the network is to see it, its colours aside where it wants none: all three channels are the luma then. */
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

/**
 * The size that a picture is brought to.
 * @throws SenetError `data` where it is to stay as it is and is smaller than the crop
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
  spec: Pick<Preprocessing, "resize" | "crop" | "interpolation"> & { readonly scale?: 255 | 1 },
): Picture {
  const { width, height } = resizedSize(picture, spec);
  const span = (extent: number) => centered(extent, spec.crop, halfOf(spec));
  return cropResized(picture, span(width), span(height), spec);
}

/** A square of the resized picture, of which only these pixels are ever computed. */
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

/** How half of an odd number of pixels is rounded: torchvision's crops to even, Caffe's (of bytes as they are) down. */
export const halfOf = ({
  resize,
  scale,
}: Pick<Preprocessing, "resize"> & { scale?: 255 | 1 }): ((x: number) => number) =>
  typeof resize === "number" || scale === 255 ? roundHalfEven : Math.floor;

/** The middle `size` pixels of an extent, as torchvision's `CenterCrop` finds them. */
export function centered(extent: number, size: number, half: (x: number) => number = roundHalfEven): Span {
  if (extent >= size) return { from: half((extent - size) / 2), to: 0, count: size };
  return { from: 0, to: Math.floor((size - extent) / 2), count: extent };
}

/**
 * The network's input for one picture, `[planes, crop, crop]` in float32, equal to torchvision's `ToTensor` and `Normalize`
 * to the last bit.
 * @param into where to write it; fresh memory by default
 */
export function preprocess(
  picture: Picture,
  spec: Preprocessing,
  into: Float32Array = new Float32Array(planesOf(spec) * spec.crop * spec.crop),
): Float32Array {
  normalize(resizeAndCrop(seenAs(picture, spec), spec), spec, into);
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
    // One network at a time is the usual.
    meanImages.clear();
    meanImages.set(text, values);
  }
  return values;
}

/** As `normalize`, with a mean for each pixel; mirrored after it is subtracted, as Caffe does. */
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
 * Writes a picture as normalised planes `[planes, height, width]` into `into`; of a grey one, its channels are the same.
 * @param mirror left and right change places
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

/** The mean and the deviation of one picture, for all its channels. */
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

/** By plane: the channel of the picture that it is of. */
const planeChannels = { rgb: [0, 1, 2], bgr: [2, 1, 0], grey: [0] } as const;
