/**
 * Decodes picture files to RGB bytes in a browser, equal to Pillow's `Image.open(file).convert("RGB")` bit for bit, and
 * so to Node's result: colour profiles and EXIF orientation are not applied, and alpha is dropped rather than
 * composited.
 */

import { decodeJpeg } from "./jpeg.ts";
import { readJpeg } from "./jpeg-header.ts";
import type { Picture } from "./resize.ts";

/** Larger pictures are checked more closely before they are decoded (sound.ts). */
const usualPixels = 2 ** 26 / 6;

/**
 * Decodes a file's bytes, in a page or a worker.
 * @param name for error messages
 * @throws SenetError `data` where it is not a picture, damaged, truncated, or of an unsupported kind (TIFF)
 */
export async function decodeInBrowser(bytes: Uint8Array, name: string): Promise<Picture> {
  const usual = usualJpeg(bytes);
  if (usual !== undefined) return usual;
  // Loaded only for pictures that need it.
  const { decodeAny } = await import("./decode-any.web.ts");
  return decodeAny(bytes, name);
}

/** Decodes the most common JPEGs: baseline, sound, and of ordinary size. */
function usualJpeg(bytes: Uint8Array): Picture | undefined {
  const header = readJpeg(bytes);
  return header && header.width * header.height <= usualPixels ? decodeJpeg(bytes) : undefined;
}
