/** BMP without compression, which libvips does not read. */

import { type BmpHeader, bmpHeader } from "./bmp-header.ts";
import { PictureFault, UnsupportedPicture } from "./fault.ts";
import { wholePalette } from "./palette.ts";
import type { Picture } from "./resize.ts";

/** How the pixels of a BMP are stored. */
interface Layout extends BmpHeader {
  /** Its colours, three bytes each. */
  readonly palette: Uint8Array;
  /** For 16-bit pixels: five bits per colour, or six for green. */
  readonly greenBits: 5 | 6;
  /** For pixels of 24 and 32 bits: the bytes of red, green and blue. */
  readonly places: readonly number[];
  /** Start of the pixels. */
  readonly start: number;
}

/** Reads the header. @throws PictureFault where the kind is not supported or the header incomplete */
function layoutOf(bytes: Uint8Array): Layout {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = bmpHeader(bytes);
  if (header === undefined) throw new PictureFault("the file ends within its header");
  const { bits, isCore, length } = header;
  if (header.width <= 0 || header.height === 0) throw new PictureFault("it has no pixels");
  const compression = isCore ? 0 : view.getUint32(30, true);
  const hasMasks = compression === 3;
  if (![1, 4, 8, 16, 24, 32].includes(bits) || (compression !== 0 && !hasMasks)) {
    throw new UnsupportedPicture(`a BMP of ${bits} bits a pixel with compression ${compression} is not decoded`);
  }
  const usual = { greenBits: 5, places: [2, 1, 0] } as const;
  const paletteEntry = isCore ? 3 : 4;
  const colours = bits > 8 ? 0 : (isCore ? 0 : view.getUint32(46, true)) || 2 ** bits;
  const at = 14 + length;
  const end = at + (hasMasks && length === 40 ? 12 : 0) + colours * paletteEntry;
  return {
    ...header,
    palette: colouredBy(bytes.subarray(at, at + Math.min(colours, 256) * paletteEntry), paletteEntry),
    ...(hasMasks ? masked(view, bits) : usual),
    // Some writers leave it out.
    start: view.getUint32(10, true) || end,
  };
}

/** Entries are blue, green, red, and in newer files a byte more. */
function colouredBy(entries: Uint8Array, length: number): Uint8Array {
  const palette = new Uint8Array(3 * Math.floor(entries.length / length));
  for (let from = 0, to = 0; to < palette.length; from += length, to += 3) {
    for (let k = 0; k < 3; k++) palette[to + k] = entries[from + 2 - k]!;
  }
  return palette;
}

/** Reads the colour masks: of 32 bits any whole bytes, of 16 bits the usual ones. */
function masked(view: DataView, bits: number): Pick<Layout, "greenBits" | "places"> {
  const masks = view.byteLength < 66 ? [] : [54, 58, 62].map((at) => view.getUint32(at, true));
  const found = masks.map((mask) => mask.toString(16)).join(" ");
  const places = masks.map((mask) => [0xff, 0xff00, 0xff0000, 0xff000000].indexOf(mask));
  if (bits === 32 && new Set(places).size === 3 && !places.includes(-1)) return { greenBits: 5, places };
  if (bits === 16 && found === "7c00 3e0 1f") return { greenBits: 5, places };
  if (bits === 16 && found === "f800 7e0 1f") return { greenBits: 6, places };
  throw new UnsupportedPicture(`a BMP of ${bits} bits a pixel with masks ${found} is not decoded`);
}

/** @throws PictureFault */
export function decodeBmp(bytes: Uint8Array): Picture {
  const { width, height, bits, isTopDown, palette, greenBits, places, start } = layoutOf(bytes);
  const colours = wholePalette(palette);
  const stride = Math.ceil((width * bits) / 32) * 4;
  // The last row's padding may be missing.
  if (start + stride * (height - 1) + Math.ceil((width * bits) / 8) > bytes.length) {
    throw new PictureFault("the file ends within the picture");
  }
  const data = new Uint8Array(width * height * 3);
  const greens = 2 ** greenBits - 1;
  for (let y = 0; y < height; y++) {
    const row = start + stride * (isTopDown ? y : height - 1 - y);
    let to = y * width * 3;
    for (let x = 0; x < width; x++, to += 3) {
      if (bits >= 24) {
        const from = row + x * (bits / 8);
        for (let k = 0; k < 3; k++) data[to + k] = bytes[from + places[k]!]!;
      } else if (bits === 16) {
        const pixel = bytes[row + 2 * x]! | (bytes[row + 2 * x + 1]! << 8);
        data[to] = Math.trunc((((pixel >> (5 + greenBits)) & 31) * 255) / 31);
        data[to + 1] = Math.trunc((((pixel >> 5) & greens) * 255) / greens);
        data[to + 2] = Math.trunc(((pixel & 31) * 255) / 31);
      } else {
        const place = x * bits;
        const index = (bytes[row + (place >> 3)]! >> (8 - bits - (place & 7))) & (2 ** bits - 1);
        for (let k = 0; k < 3; k++) data[to + k] = colours[3 * index + k]!;
      }
    }
  }
  return { width, height, data };
}
