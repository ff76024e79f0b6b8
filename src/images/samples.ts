/** Converts a decoder's raw samples to RGB bytes as Pillow's `convert("RGB")` does, where conventions differ. */

import type { Picture } from "./resize.ts";

export interface Samples<Data extends Uint8Array | Uint16Array = Uint8Array> {
  readonly width: number;
  readonly height: number;
  /** Interleaved samples per pixel. */
  readonly channels: number;
  readonly data: Data;
}

/** Drops alpha; one or two channels mean grey. */
export function fromRgb({ width, height, channels, data }: Samples): Picture {
  if (channels === 3) return { width, height, data };
  const rgb = new Uint8Array(width * height * 3);
  const second = channels < 3 ? 0 : 1;
  const third = channels < 3 ? 0 : 2;
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) {
    rgb[to] = data[from]!;
    rgb[to + 1] = data[from + second]!;
    rgb[to + 2] = data[from + third]!;
  }
  return { width, height, data: rgb };
}

/** Pillow's `cmyk2rgb`: each ink times the complement of black, with its rounded division by 255. */
export function fromCmyk({ width, height, channels, data }: Samples): Picture {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) {
    const light = 255 - data[from + 3]!;
    for (let ink = 0; ink < 3; ink++) {
      const product = data[from + ink]! * light + 128;
      rgb[to + ink] = light - (((product >> 8) + product) >> 8);
    }
  }
  return { width, height, data: rgb };
}

/**
 * Pillow opens 16-bit grey as 32-bit integers and clips them to 255, so that all but the darkest values become white.
 */
export function fromGrey16({ width, height, channels, data }: Samples<Uint16Array>): Picture {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) {
    rgb.fill(Math.min(255, data[from]!), to, to + 3);
  }
  return { width, height, data: rgb };
}
