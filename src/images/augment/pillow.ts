/**
 * Pillow's colour operations, byte for byte, after its ImageEnhance, ImageOps and
 * `src/libImaging/{Blend,Convert,Filter}.c`. All change a picture in place.
 */

import { clamped } from "../clamped.ts";
import { lumaOf } from "../preprocess.ts";
import type { Picture } from "../resize.ts";

/** `Image.blend` of two bytes, in float32; factors outside 0 … 1 extrapolate. */
function blend(from: number, to: number, factor: number): number {
  const value = Math.fround(from + Math.fround(factor * (to - from)));
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
}

/** Maps each byte through its channel's table, or through the only one. */
function lookUp(data: Uint8Array, tables: readonly Uint8Array[]): void {
  const [red, green = red, blue = red] = tables as [Uint8Array, Uint8Array?, Uint8Array?];
  for (let i = 0; i < data.length; i += 3) {
    data[i] = red[data[i]!]!;
    data[i + 1] = green[data[i + 1]!]!;
    data[i + 2] = blue[data[i + 2]!]!;
  }
}

const tableOf = (value: (byte: number) => number): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => value(byte));

/** `ImageEnhance.Brightness`: 0 is black, 1 the picture. */
export function brightness({ data }: Picture, factor: number): void {
  const by = Math.fround(factor);
  lookUp(data, [tableOf((byte) => blend(0, byte, by))]);
}

/** `ImageEnhance.Contrast`: 0 is the grey of the mean luma, 1 the picture. */
export function contrast({ data }: Picture, factor: number): void {
  const by = Math.fround(factor);
  let sum = 0;
  for (let i = 0; i < data.length; i += 3) sum += lumaOf(data, i);
  const mean = Math.trunc(sum / (data.length / 3) + 0.5);
  lookUp(data, [tableOf((byte) => blend(mean, byte, by))]);
}

/** `ImageEnhance.Color`: 0 is grey, 1 the picture. */
export function saturation({ data }: Picture, factor: number): void {
  const by = Math.fround(factor);
  for (let i = 0; i < data.length; i += 3) {
    const luma = lumaOf(data, i);
    data[i] = blend(luma, data[i]!, by);
    data[i + 1] = blend(luma, data[i + 1]!, by);
    data[i + 2] = blend(luma, data[i + 2]!, by);
  }
}

/** `ImageEnhance.Sharpness`: 0 is smoothed, 1 the picture; smoothing leaves out the border. */
export function sharpness({ width, height, data }: Picture, factor: number): void {
  const by = Math.fround(factor);
  const rowBytes = 3 * width;
  const before = data.slice();
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * rowBytes + 3; i < (y + 1) * rowBytes - 3; i++) {
      let sum = 4 * before[i]!;
      for (let row = i - rowBytes; row <= i + rowBytes; row += rowBytes) {
        sum += before[row - 3]! + before[row]! + before[row + 3]!;
      }
      data[i] = blend(Math.floor(sum / 13 + 0.5), before[i]!, by);
    }
  }
}

/** torchvision's `adjust_hue` by −½ to ½ turns, in Pillow's HSV. */
export function hue({ data }: Picture, turns: number): void {
  const shift = Math.trunc(turns * 255);
  for (let i = 0; i < data.length; i += 3) {
    const red = data[i]!;
    const green = data[i + 1]!;
    const blue = data[i + 2]!;
    const value = Math.max(red, green, blue);
    const range = value - Math.min(red, green, blue);
    // Grey has no hue and does not change.
    if (range === 0) continue;
    const r = Math.fround((value - red) / range);
    const g = Math.fround((value - green) / range);
    const b = Math.fround((value - blue) / range);
    const angle = Math.fround(red === value ? b - g : green === value ? 2 + r - b : 4 + g - r);
    const h = (Math.trunc(clamped(Math.fround((angle / 6 + 1) % 1) * 255)) + shift) & 255;
    const s = Math.fround(clamped(Math.trunc(Math.fround(range / value) * 255)));
    const sixths = Math.fround(Math.fround(h * 6) / 255);
    const sector = Math.floor(sixths);
    const rest = Math.fround(sixths - sector);
    const part = Math.fround(s / 255);
    const p = rounded(value * (1 - part));
    const q = rounded(value * (1 - part * rest));
    const t = rounded(value * (1 - part * (1 - rest)));
    const at = sector % 6;
    data[i] = at === 0 || at === 5 ? value : at === 1 ? q : at === 4 ? t : p;
    data[i + 1] = at === 1 || at === 2 ? value : at === 0 ? t : at === 3 ? q : p;
    data[i + 2] = at === 3 || at === 4 ? value : at === 2 ? t : at === 5 ? q : p;
  }
}

/** C's `round`, clamped to a byte. */
const rounded = (value: number): number => clamped(Math.floor(Math.fround(value) + 0.5));

/** Histogram of a channel. */
function histogram(data: Uint8Array, channel: number): Uint32Array {
  const counts = new Uint32Array(256);
  for (let i = channel; i < data.length; i += 3) counts[data[i]!]!++;
  return counts;
}

/** `ImageOps.autocontrast`: stretches each channel to the full range. */
export function autoContrast({ data }: Picture): void {
  lookUp(
    data,
    [0, 1, 2].map((channel) => {
      const counts = histogram(data, channel);
      const low = counts.findIndex((count) => count > 0);
      const high = counts.findLastIndex((count) => count > 0);
      if (high <= low) return tableOf((byte) => byte);
      const scale = 255 / (high - low);
      return tableOf((byte) => clamped(Math.trunc(byte * scale - low * scale)));
    }),
  );
}

/** `ImageOps.equalize`: flattens each channel's histogram. */
export function equalize({ data }: Picture): void {
  lookUp(
    data,
    [0, 1, 2].map((channel) => {
      const counts = histogram(data, channel);
      const present = counts.filter((count) => count > 0);
      const step = Math.floor((data.length / 3 - present.at(-1)!) / 255);
      if (present.length <= 1 || step === 0) return tableOf((byte) => byte);
      let n = Math.floor(step / 2);
      return tableOf((byte) => {
        const value = Math.min(255, Math.floor(n / step));
        n += counts[byte]!;
        return value;
      });
    }),
  );
}

/** `ImageOps.invert` */
export function invert({ data }: Picture): void {
  lookUp(data, [tableOf((byte) => 255 - byte)]);
}

/** `ImageOps.posterize`: keeps the highest bits. */
export function posterize({ data }: Picture, bits: number): void {
  const mask = 256 - 2 ** (8 - bits);
  lookUp(data, [tableOf((byte) => byte & mask)]);
}

/** `ImageOps.solarize`: inverts values not below the threshold. */
export function solarize({ data }: Picture, threshold: number): void {
  lookUp(data, [tableOf((byte) => (byte < threshold ? byte : 255 - byte))]);
}

/** timm's `SolarizeAdd`: adds to values below 128. */
export function solarizeAdd({ data }: Picture, add: number): void {
  lookUp(data, [tableOf((byte) => (byte < 128 ? Math.min(255, byte + add) : byte))]);
}
