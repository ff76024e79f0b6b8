/** OpenCV's conversion of bytes to HLS and back (`COLOR_RGB2HLS`, `COLOR_HLS2RGB`): hue in 180 steps, the others in 255. */

const f = Math.fround;
const inverse = f(1 / 255);

/** Python's and C's rounding of a float that is not negative: halves to even. */
function rounded(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** In float32, as OpenCV computes: `rgb` becomes hue, lightness and saturation in bytes. */
export function rgbToHls(rgb: readonly [number, number, number]): [number, number, number] {
  const [r, g, b] = rgb.map((byte) => f(byte * inverse)) as [number, number, number];
  const most = Math.max(r, g, b);
  const least = Math.min(r, g, b);
  const range = f(most - least);
  const sum = f(most + least);
  const lightness = f(sum * 0.5);
  let hue = 0;
  let saturation = 0;
  if (range > 2 ** -23) {
    saturation = f(range / (lightness < 0.5 ? sum : f(2 - sum)));
    const by = f(60 / range);
    if (most === r) hue = f(f(f(g - b) * by) + (g < b ? 360 : 0));
    else if (most === g) hue = f(f(f(b - r) * by) + 120);
    else hue = f(f(f(r - g) * by) + 240);
  }
  return [rounded(f(hue * 0.5)), rounded(f(lightness * 255)), rounded(f(saturation * 255))];
}

export function hlsToRgb([hue, lightness, saturation]: readonly [number, number, number]): [number, number, number] {
  const l = f(lightness * inverse);
  const s = f(saturation * inverse);
  const sixths = f(hue * f(6 / 180));
  const whole = Math.trunc(sixths);
  const rest = f(sixths - whole);
  const sector = whole % 6;
  const ls = f(l * s);
  const half = l <= 0.5 ? ls : f(s - ls);
  const high = f(l + half);
  const low = f(l - half);
  const part = f(half * f(rest + rest));
  const falling = f(high - part);
  const rising = f(low + part);
  const sectors = [
    [high, rising, low],
    [falling, high, low],
    [low, high, rising],
    [low, falling, high],
    [rising, low, high],
    [high, low, falling],
  ] as const;
  return sectors[sector as 0].map((value) => Math.min(255, Math.max(0, rounded(f(Math.max(0, value) * 255))))) as [
    number,
    number,
    number,
  ];
}

const limits = [180, 255, 255] as const;

/** Adds to hue, lightness and saturation of each pixel; what would leave its range stays at the end. */
export function shiftHls(data: Uint8Array, shift: readonly [number, number, number]): void {
  for (let i = 0; i < data.length; i += 3) {
    const hls = rgbToHls([data[i]!, data[i + 1]!, data[i + 2]!]);
    for (let k = 0; k < 3; k++) hls[k] = Math.min(limits[k]!, Math.max(0, hls[k]! + shift[k]!));
    data.set(hlsToRgb(hls), i);
  }
}
