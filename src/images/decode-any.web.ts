/**
 * Decodes all picture formats in a browser. All except WebP are decoded by our own code, since browsers apply profiles
 * and orientation, convert CMYK in their own ways, and differ from each other.
 */

import { causeText, SenetError } from "../errors.ts";
import { decodeBmp } from "./bmp.ts";
import type { Format } from "./format.ts";
import { decodeGif } from "./gif.ts";
import { decodeJpeg } from "./jpeg.ts";
import { decodePnm } from "./pnm.ts";
import type { Picture } from "./resize.ts";
import { soundHeader, unsound } from "./sound.ts";

/** Memory for one picture in a page: about half of what browsers allow. */
const pageBytes = 2 ** 30;

/** As `decodeInBrowser`. */
export async function decodeAny(bytes: Uint8Array, name: string): Promise<Picture> {
  const { format } = soundHeader(bytes, name, () => pageBytes);
  const decode = await decoders[format]();
  try {
    return await decode(bytes, name);
  } catch (cause) {
    if (cause instanceof SenetError) throw cause;
    throw unsound(causeText(cause), bytes, format, name, cause);
  }
}

type Decoder = (bytes: Uint8Array, name: string) => Picture | Promise<Picture>;

/** The large ones are loaded on demand; the small ones are in the files that read the headers. */
const decoders: Readonly<Record<Format, () => Promise<Decoder>>> = {
  JPEG: async () => {
    const { decodeGeneralJpeg } = await import("./jpeg-general/decode.ts");
    return (bytes) => decodeJpeg(bytes) ?? decodeGeneralJpeg(bytes);
  },
  PNG: async () => (await import("./png.ts")).decodePng,
  GIF: async () => decodeGif,
  BMP: async () => decodeBmp,
  PNM: async () => decodePnm,
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
