/** Pictures decoded by the browser. */

import type { Picture } from "../images/resize.ts";
import { rgbOf } from "./pixels.web.ts";

/** The samples as they are in the file: no colour profile applied, no alpha multiplied in. */
export async function decodeInBrowser(bytes: Uint8Array): Promise<Picture> {
  const blob = new Blob([bytes as Uint8Array<ArrayBuffer>]);
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  try {
    return rgbOf(bitmap);
  } finally {
    bitmap.close();
  }
}
