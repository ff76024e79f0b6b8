/** Converts pictures in messages to those that the library takes. */

import type { PictureData } from "../evaluate/picture-input.ts";
import type { Picture } from "../images/resize.ts";
import type { NamedPicture } from "./calls.web.ts";

/** The pixels of a canvas's image data or a bitmap. */
function rgbOf(source: ImageData | ImageBitmap): Picture {
  const { width, height } = source;
  const rgba = source instanceof ImageData ? source.data : pixelsOfBitmap(source);
  const data = new Uint8Array(3 * width * height);
  for (let i = 0, from = 0; i < data.length; i += 3, from += 4) {
    data[i] = rgba[from]!;
    data[i + 1] = rgba[from + 1]!;
    data[i + 2] = rgba[from + 2]!;
  }
  return { width, height, data };
}

function pixelsOfBitmap(bitmap: ImageBitmap): Uint8ClampedArray {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, width, height).data;
}

/** The picture as the library's functions take it; files are only read when needed. */
export function pictureData({ name, picture }: NamedPicture): PictureData {
  if (picture instanceof Blob) return { name, bytes: async () => new Uint8Array(await picture.arrayBuffer()) };
  if (picture instanceof Uint8Array) return { name, bytes: picture };
  if (picture instanceof ImageData || picture instanceof ImageBitmap) return rgbOf(picture);
  return picture;
}
