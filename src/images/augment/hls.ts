/** OpenCV's conversion of bytes to HLS and back (`COLOR_RGB2HLS`, `COLOR_HLS2RGB`): hue in 180 steps, the others in 255. */

const f = Math.fround;
const inverse = f(1 / 255);
const sixthsOf = f(6 / 180);

/** Rounds a non-negative float like C: halves to even. */
function rounded(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

const byteOf = (part: number): number => (part <= 0 ? 0 : Math.min(255, rounded(f(part * 255))));

/** Converts the pixel at byte `i` of `rgb` to hue, lightness and saturation in `hls`; in float32, as OpenCV. */
export function rgbToHls(rgb: Uint8Array, i: number, hls: Uint8Array): void {
  const r = f(rgb[i]! * inverse);
  const g = f(rgb[i + 1]! * inverse);
  const b = f(rgb[i + 2]! * inverse);
  const most = Math.max(r, g, b);
  const least = Math.min(r, g, b);
  const range = f(most - least);
  const sum = f(most + least);
  const lightness = f(sum * 0.5);
  hls[1] = rounded(f(lightness * 255));
  // Grey has no hue.
  hls[0] = 0;
  hls[2] = 0;
  if (range <= 2 ** -23) return;
  const by = f(60 / range);
  let hue: number;
  if (most === r) hue = f(f(f(g - b) * by) + (g < b ? 360 : 0));
  else if (most === g) hue = f(f(f(b - r) * by) + 120);
  else hue = f(f(f(r - g) * by) + 240);
  hls[0] = rounded(f(hue * 0.5));
  hls[2] = rounded(f(f(range / (lightness < 0.5 ? sum : f(2 - sum))) * 255));
}

/** Converts back, to byte `i` of `rgb`. */
function hlsToRgb(hls: Uint8Array, rgb: Uint8Array, i: number): void {
  const l = f(hls[1]! * inverse);
  const s = f(hls[2]! * inverse);
  const sixths = f(hls[0]! * sixthsOf);
  const sector = Math.trunc(sixths);
  const rest = f(sixths - sector);
  const ls = f(l * s);
  const half = l <= 0.5 ? ls : f(s - ls);
  const part = f(half * f(rest + rest));
  const high = byteOf(f(l + half));
  const low = byteOf(f(l - half));
  const falling = byteOf(f(f(l + half) - part));
  const rising = byteOf(f(f(l - half) + part));
  const at = sector % 6;
  rgb[i] = at === 0 || at === 5 ? high : at === 1 ? falling : at === 4 ? rising : low;
  rgb[i + 1] = at === 1 || at === 2 ? high : at === 0 ? rising : at === 3 ? falling : low;
  rgb[i + 2] = at === 3 || at === 4 ? high : at === 2 ? rising : at === 5 ? falling : low;
}

const hls = new Uint8Array(3);
const clip = (value: number, most: number): number => (value < 0 ? 0 : value > most ? most : value);

/** Adds to hue, lightness and saturation of each pixel, clamped to their ranges. */
export function shiftHls(data: Uint8Array, [hue, lightness, saturation]: readonly [number, number, number]): void {
  for (let i = 0; i < data.length; i += 3) {
    rgbToHls(data, i, hls);
    hls[0] = clip(hls[0]! + hue, 180);
    hls[1] = clip(hls[1]! + lightness, 255);
    hls[2] = clip(hls[2]! + saturation, 255);
    hlsToRgb(hls, data, i);
  }
}
