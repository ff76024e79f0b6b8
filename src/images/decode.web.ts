/**
 * From a picture file to RGB bytes in a browser, equal to Pillow's `Image.open(file).convert("RGB")` bit for bit, and so to
 * what Node makes of it: colour profiles and EXIF orientation are not applied, alpha is dropped rather than composited.
 *
 * All formats but WebP are decoded by our own code, since browsers apply profiles and orientation, convert inks in ways of
 * their own, and differ from each other. WebP comes from the browser's decoder.
 */

import { SenetError } from "../errors.ts";
import type { Format } from "./format.ts";
import { decodeJpeg } from "./jpeg.ts";
import type { Picture } from "./resize.ts";
import { soundHeader, unsound } from "./sound.ts";

/** Memory that a page may have for one picture: about half of what browsers allow one to take. */
const PAGE_BYTES = 2 ** 30;

/**
 * The picture in a file's bytes. Works in a page and in a worker.
 * @param name for error messages
 * @throws SenetError `data` where it is no picture, not sound, cut off, or of a kind that is not decoded here (TIFF)
 */
export async function decodeInBrowser(bytes: Uint8Array, name: string): Promise<Picture> {
  const { format } = soundHeader(bytes, name, () => PAGE_BYTES);
  try {
    return await decoders[format](bytes, name);
  } catch (cause) {
    if (cause instanceof SenetError) throw cause;
    throw unsound(cause instanceof Error ? cause.message : String(cause), bytes, format, name, cause);
  }
}

type Decoder = (bytes: Uint8Array, name: string) => Picture | Promise<Picture>;

/** Only the decoder of usual JPEGs is there from the start; the others are loaded when such a file comes. */
const decoders: Readonly<Record<Format, Decoder>> = {
  JPEG: async (bytes) => decodeJpeg(bytes) ?? (await import("./jpeg-general/decode.ts")).decodeGeneralJpeg(bytes),
  PNG: async (bytes) => (await import("./png.ts")).decodePng(bytes),
  GIF: async (bytes) => (await import("./gif.ts")).decodeGif(bytes),
  BMP: async (bytes) => (await import("./bmp.ts")).decodeBmp(bytes),
  PNM: async (bytes) => (await import("./pnm.ts")).decodePnm(bytes),
  WebP: async (bytes) => (await import("./webp.web.ts")).decodeWebp(bytes),
  TIFF: (_, name) => {
    throw new SenetError("data", "TIFF pictures are not decoded in browsers", {
      where: name,
      found: "a TIFF",
      hint: "convert it to PNG, which keeps every pixel",
    });
  },
};
