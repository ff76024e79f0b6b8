/** Converts pictures to small JPEGs, and frames of the camera to files. */

import type { Picture } from "senet/web";

/** Shown at half this size, so that they are sharp on high-resolution screens. */
const side = 208;

/** The middle square of a picture as a JPEG file in base64; `undefined` if the browser cannot decode it. */
export async function thumbnailOf(file: Blob): Promise<string | undefined> {
  const bitmap = await createImageBitmap(file).catch(() => undefined);
  if (bitmap === undefined) return undefined;
  const text = await base64(await squared(bitmap, bitmap.width, bitmap.height, side).convertToBlob(jpeg));
  bitmap.close();
  return text;
}

export async function thumbnailOfPixels(picture: Picture): Promise<string> {
  return base64(await canvasOf(picture).convertToBlob(jpeg));
}

const jpeg = { type: "image/jpeg", quality: 0.85 };

/** The middle square of the camera's picture, as a file. */
export const frameOf = (video: HTMLVideoElement): Promise<Blob> =>
  squared(video, video.videoWidth, video.videoHeight, 320).convertToBlob({ type: "image/jpeg", quality: 0.92 });

function squared(source: CanvasImageSource, width: number, height: number, most: number): OffscreenCanvas {
  const from = Math.min(width, height);
  const to = Math.min(from, most);
  const canvas = new OffscreenCanvas(to, to);
  const context = canvas.getContext("2d")!;
  context.imageSmoothingQuality = "high";
  context.drawImage(source, (width - from) / 2, (height - from) / 2, from, from, 0, 0, to, to);
  return canvas;
}

/** Draws pixels with three channels. */
function canvasOf(picture: Picture): OffscreenCanvas {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d")!.putImageData(imageDataOf(picture), 0, 0);
  return canvas;
}

export function imageDataOf({ width, height, data }: Picture): ImageData {
  const rgba = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < width * height; i++) {
    rgba.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
    rgba[4 * i + 3] = 255;
  }
  return new ImageData(rgba, width, height);
}

async function base64(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}
