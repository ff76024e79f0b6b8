/** Checks pictures given as pixels. */

import { SenetError } from "../errors.ts";
import type { Picture } from "../images/resize.ts";

/** @throws SenetError `data` where there are not as many pixels as width and height say */
export function checkPixels(picture: Picture, where: string): Picture {
  const { width, height, data } = picture;
  const isSize = (side: number) => Number.isInteger(side) && side > 0;
  if (isSize(width) && isSize(height) && data.length === 3 * width * height) return picture;
  throw new SenetError("data", "these are not the pixels of a picture of this size", {
    where,
    expected: "three bytes a pixel (red, green, blue), row by row",
    found: `${data.length} bytes for ${width} by ${height} pixels`,
  });
}
