/**
 * From a picture file to RGB bytes in a browser, equal to Pillow's `Image.open(file).convert("RGB")` bit for bit, and so to
 * what Node makes of it: colour profiles and EXIF orientation are not applied, alpha is dropped rather than composited.
 */

import { decodeJpeg } from "./jpeg.ts";
import { readJpeg } from "./jpeg-header.ts";
import type { Picture } from "./resize.ts";

/** Larger pictures are looked at more closely before they are decoded (sound.ts). */
const USUAL_PIXELS = 2 ** 26 / 6;

/**
 * The picture in a file's bytes. Works in a page and in a worker.
 * @param name for error messages
 * @throws SenetError `data` where it is no picture, not sound, cut off, or of a kind that is not decoded here (TIFF)
 */
export async function decodeInBrowser(bytes: Uint8Array, name: string): Promise<Picture> {
  const usual = usualJpeg(bytes);
  if (usual !== undefined) return usual;
  // What most pictures do not want is loaded by those that do.
  const { decodeAny } = await import("./decode-any.web.ts");
  return decodeAny(bytes, name);
}

/** What cameras and the web have most: baseline, sound, and of an ordinary size. */
function usualJpeg(bytes: Uint8Array): Picture | undefined {
  const header = readJpeg(bytes);
  return header && header.width * header.height <= USUAL_PIXELS ? decodeJpeg(bytes) : undefined;
}
