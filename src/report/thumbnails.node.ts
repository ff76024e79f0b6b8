/** Thumbnails of samples for pages. */

import { type Sample, sourceOf } from "../data/dataset.ts";
import { SourceReader } from "../data/source.node.ts";
import { SenetError } from "../errors.ts";
import { encodeJpeg } from "../images/decode.node.ts";
import { type Picture, resize } from "../images/resize.ts";
import type { Thumbnails } from "./health.ts";

/** Shown at half this size, so that they are sharp on high-resolution screens. */
const mostSide = 208;

/**
 * Thumbnails of samples, one at a time; undecodable ones have none, and none has one without sharp,
 * which encodes them.
 * @param most largest side in pixels
 */
export async function thumbnailsOf(samples: readonly Sample[], most = mostSide): Promise<Thumbnails> {
  const reader = new SourceReader();
  const thumbnails = new Map<string, string>();
  try {
    for (const sample of samples) {
      if (thumbnails.has(sample.file)) continue;
      try {
        const picture = await (await reader.open(sourceOf(sample))).decode();
        thumbnails.set(sample.file, await thumbnailOf(picture, most));
      } catch (error) {
        if (!(error instanceof SenetError && ["data", "io"].includes(error.code))) throw error;
      }
    }
    return thumbnails;
  } finally {
    reader.close();
  }
}

/** The centre of a picture as JPEG in base64. @param most largest side in pixels */
export const thumbnailOf = async (picture: Picture, most = mostSide): Promise<string> =>
  Buffer.from(await encodeJpeg(squared(picture, most))).toString("base64");

/** The central square; small pictures keep their size. */
function squared(picture: Picture, most: number): Picture {
  const side = Math.min(picture.width, picture.height);
  const box = {
    left: Math.floor((picture.width - side) / 2),
    top: Math.floor((picture.height - side) / 2),
    width: side,
    height: side,
  };
  const size = Math.min(side, most);
  return resize(picture, size, size, "bilinear", { box });
}
