/** Pillow's `transform(AFFINE)` and `rotate`, byte for byte, after its `src/libImaging/Geometry.c`. No antialiasing. */

import type { AffineMap, Color } from "../affine.ts";
import type { Picture } from "../resize.ts";

export type PillowFilter = "bilinear" | "bicubic";

let before = new Uint8Array(0);

/** Applies an affine map to the picture in place; outside the picture is `fill`. */
export function transformAffine(picture: Picture, map: AffineMap, filter: PillowFilter, fill: Color): void {
  const { width, height, data } = picture;
  if (before.length < data.length) before = new Uint8Array(data.length);
  before.set(data);
  const sample = filter === "bilinear" ? bilinear : bicubic;
  for (let v = 0, out = 0; v < height; v++) {
    for (let u = 0; u < width; u++, out += 3) {
      const x = map.a * (u + 0.5) + map.b * (v + 0.5) + map.c;
      const y = map.d * (u + 0.5) + map.e * (v + 0.5) + map.f;
      if (x < 0 || x >= width || y < 0 || y >= height) data.set(fill, out);
      else sample(before, width, height, x - 0.5, y - 0.5, data, out);
    }
  }
}

const within = (value: number, size: number): number => (value < 0 ? 0 : value < size ? value : size - 1);

function bilinear(
  source: Uint8Array,
  width: number,
  height: number,
  x: number,
  y: number,
  target: Uint8Array,
  out: number,
): void {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const dx = x - left;
  const dy = y - top;
  const x0 = 3 * within(left, width);
  const x1 = 3 * within(left + 1, width);
  const row = 3 * width * within(top, height);
  // Below the picture, its last row is repeated.
  const next = 3 * width * within(top + 1, height);
  for (let channel = 0; channel < 3; channel++) {
    const a = source[row + x0 + channel]!;
    const first = a + (source[row + x1 + channel]! - a) * dx;
    const b = source[next + x0 + channel]!;
    const second = b + (source[next + x1 + channel]! - b) * dx;
    target[out + channel] = Math.trunc(first + (second - first) * dy);
  }
}

/** Keys' cubic with a = −1. */
function cubic(a: number, b: number, c: number, d: number, at: number): number {
  const p2 = -a + c;
  const p3 = 2 * (a - b) + c - d;
  const p4 = -a + b - c + d;
  return b + at * (p2 + at * (p3 + at * p4));
}

function bicubic(
  source: Uint8Array,
  width: number,
  height: number,
  x: number,
  y: number,
  target: Uint8Array,
  out: number,
): void {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const dx = x - left;
  const dy = y - top;
  const x0 = 3 * within(left - 1, width);
  const x1 = 3 * within(left, width);
  const x2 = 3 * within(left + 1, width);
  const x3 = 3 * within(left + 2, width);
  const rowBytes = 3 * width;
  const rows = [top - 1, top, top + 1, top + 2].map((line) => rowBytes * within(line, height));
  const [row0, row1, row2, row3] = rows as [number, number, number, number];
  for (let channel = out; channel < out + 3; channel++) {
    const k = channel - out;
    const along = (row: number) =>
      cubic(source[row + x0 + k]!, source[row + x1 + k]!, source[row + x2 + k]!, source[row + x3 + k]!, dx);
    const value = cubic(along(row0), along(row1), along(row2), along(row3), dy);
    target[channel] = value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
  }
}

/** `Image.rotate` about the centre, counter-clockwise, keeping the picture's size. */
export function rotate(picture: Picture, degrees: number, filter: PillowFilter, fill: Color): void {
  const { width, height } = picture;
  const angle = -((degrees * Math.PI) / 180);
  // Python's round(x, 15).
  const cos = Number(Math.cos(angle).toFixed(15));
  const sin = Number(Math.sin(angle).toFixed(15));
  const [x, y] = [width / 2, height / 2];
  const map = { a: cos, b: sin, c: cos * -x + sin * -y + x, d: -sin, e: cos, f: -sin * -x + cos * -y + y };
  if (degrees !== 0) transformAffine(picture, map, filter, fill);
}
