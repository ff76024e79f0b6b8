/**
 * From a picture file to RGB bytes in a browser, equal to Pillow's `Image.open(file).convert("RGB")` bit for bit, and so to
 * what Node makes of it: colour profiles and EXIF orientation are not applied, alpha is dropped rather than composited.
 *
 * All formats but WebP are decoded by our own code, since browsers apply profiles and orientation, convert inks in ways of
 * their own, and differ from each other. WebP comes from the browser's decoder.
 */

import { causeText, SenetError } from "../errors.ts";
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
  const usual = format === "JPEG" ? decodeJpeg(bytes) : undefined;
  if (usual !== undefined) return usual;
  const decode = await decoders[format]();
  try {
    return await decode(bytes, name);
  } catch (cause) {
    if (cause instanceof SenetError) throw cause;
    throw unsound(causeText(cause), bytes, format, name, cause);
  }
}

type Decoder = (bytes: Uint8Array, name: string) => Picture | Promise<Picture>;

/** What is loaded when such a file comes; usual JPEGs have their decoder from the start. */
const decoders: Readonly<Record<Format, () => Promise<Decoder>>> = {
  JPEG: async () => (await import("./jpeg-general/decode.ts")).decodeGeneralJpeg,
  PNG: async () => (await import("./png.ts")).decodePng,
  GIF: async () => (await import("./gif.ts")).decodeGif,
  BMP: async () => (await import("./bmp.ts")).decodeBmp,
  PNM: async () => (await import("./pnm.ts")).decodePnm,
  WebP: async () => (await import("./webp.web.ts")).decodeWebp,
  TIFF: async () => refuseTiff,
};

function refuseTiff(_: Uint8Array, name: string): never {
  throw new SenetError("data", "TIFF pictures are not decoded in browsers", {
    where: name,
    found: "a TIFF",
    hint: "convert it to PNG, which keeps every pixel",
  });
}
