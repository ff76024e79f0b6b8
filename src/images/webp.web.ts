/**
 * Decodes WebP in browsers: lossless pictures by our own code, since browsers multiply colours by alpha, which is
 * irreversible; lossy ones, without alpha, by the browser's decoder, which is the same in all of them.
 */

import { PictureFault, UnsupportedPicture } from "./fault.ts";
import { ascii } from "./format.ts";
import type { Picture } from "./resize.ts";
import { decodeVp8l } from "./webp-lossless.ts";

/** The picture, or the first of several, as in Pillow: alpha is dropped without changing colours. */
export async function decodeWebp(bytes: Uint8Array): Promise<Picture> {
  const { screen, left, top, kind, body } = frameOf(bytes);
  const size = sizeOf(kind, body);
  if (screen !== undefined && (left + size.width > screen.width || top + size.height > screen.height))
    throw new PictureFault("a picture of it is larger than all of it");
  const picture = kind === "VP8L" ? lossless(body) : await lossy(body);
  if (screen === undefined) return picture;
  const { width, height } = picture;
  if (left === 0 && top === 0 && width === screen.width && height === screen.height) return picture;
  const data = new Uint8Array(3 * screen.width * screen.height);
  for (let y = 0; y < height; y++) {
    const row = picture.data.subarray(3 * y * width, 3 * (y + 1) * width);
    data.set(row, 3 * ((top + y) * screen.width + left));
  }
  return { ...screen, data };
}

interface Size {
  readonly width: number;
  readonly height: number;
}

interface Frame {
  /** Size of the canvas, if the file gives it separately. */
  readonly screen: Size | undefined;
  readonly left: number;
  readonly top: number;
  readonly kind: "VP8 " | "VP8L";
  readonly body: Uint8Array;
}

/** The first frame in a container's chunks. @throws PictureFault */
function frameOf(bytes: Uint8Array): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const three = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  let screen: Size | undefined;
  let [left, top] = [0, 0];
  // RIFF: chunks of name, length, and data padded to an even length.
  for (let at = 12; at + 8 <= bytes.length; ) {
    const kind = ascii(bytes, at, at + 4);
    const length = view.getUint32(at + 4, true);
    const start = at + 8;
    if (start + length > bytes.length) throw new PictureFault("the file ends within the picture");
    if (kind === "VP8 " || kind === "VP8L") {
      return { ...{ screen, left, top, kind }, body: bytes.subarray(start, start + length) };
    }
    if (kind === "VP8X" && length >= 10) screen = { width: 1 + three(start + 4), height: 1 + three(start + 7) };
    const isAnimated = kind === "ANMF" && length >= 16;
    if (isAnimated) [left, top] = [2 * three(start), 2 * three(start + 3)];
    // An animation frame contains its own chunks.
    at = isAnimated ? start + 16 : start + length + (length & 1);
  }
  throw new PictureFault("it contains no pictures");
}

/** The size in the frame's own header. */
function sizeOf(kind: Frame["kind"], body: Uint8Array): Size {
  if (body.length < 10) throw new PictureFault("the file ends within the picture");
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (kind === "VP8 ") return { width: view.getUint16(6, true) & 0x3fff, height: view.getUint16(8, true) & 0x3fff };
  const packed = view.getUint32(1, true);
  return { width: 1 + (packed & 0x3fff), height: 1 + ((packed >>> 14) & 0x3fff) };
}

function lossless(body: Uint8Array): Picture {
  const { width, height, argb } = decodeVp8l(body);
  const data = new Uint8Array(3 * argb.length);
  for (let i = 0, at = 0; i < argb.length; i++, at += 3) {
    const pixel = argb[i]!;
    data[at] = pixel >>> 16;
    data[at + 1] = pixel >>> 8;
    data[at + 2] = pixel;
  }
  return { width, height, data };
}

/** Pixels of the smallest known canvas limit (iOS). */
const canvasPixels = 2 ** 24;

async function lossy(body: Uint8Array): Promise<Picture> {
  // A file with only this chunk: no rotation, no colour profile, no alpha.
  const bitmap = await createImageBitmap(new Blob([container(body)]), { colorSpaceConversion: "none" });
  try {
    const { width, height } = bitmap;
    const rows = Math.min(height, Math.floor(canvasPixels / width));
    const canvas = new OffscreenCanvas(width, rows).getContext("2d", { willReadFrequently: true });
    if (canvas === null) throw new PictureFault("this browser gives no canvas to read WebP pictures back through");
    checkCanvas(canvas);
    const data = new Uint8Array(3 * width * height);
    for (let top = 0, at = 0; top < height; top += rows) {
      const part = Math.min(rows, height - top);
      canvas.drawImage(bitmap, 0, -top);
      const rgba = canvas.getImageData(0, 0, width, part).data;
      for (let from = 0; from < 4 * width * part; from += 4, at += 3) {
        data[at] = rgba[from]!;
        data[at + 1] = rgba[from + 1]!;
        data[at + 2] = rgba[from + 2]!;
      }
    }
    return { width, height, data };
  } finally {
    bitmap.close();
  }
}

function container(body: Uint8Array): Uint8Array<ArrayBuffer> {
  const even = body.length + (body.length & 1);
  const file = new Uint8Array(20 + even);
  const view = new DataView(file.buffer);
  file.set(new TextEncoder().encode("RIFF    WEBPVP8 "));
  view.setUint32(4, file.length - 8, true);
  view.setUint32(16, body.length, true);
  file.set(body, 20);
  return file;
}

/**
 * Detects browsers that alter pixels read from a canvas as protection against fingerprinting, mostly in private
 * windows.
 */
function checkCanvas(canvas: OffscreenCanvasRenderingContext2D): void {
  const { width, height } = canvas.canvas;
  const drawn = new ImageData(Math.min(width, 64), Math.min(height, 64));
  drawn.data.forEach((_, i) => {
    drawn.data[i] = i % 4 === 3 ? 255 : (i * 197 + (i >> 5) * 31) & 255;
  });
  canvas.putImageData(drawn, 0, 0);
  const read = canvas.getImageData(0, 0, drawn.width, drawn.height).data;
  if (read.every((value, i) => value === drawn.data[i])) return;
  const why = "this browser changes what is read from a canvas, so lossy WebP pictures cannot be decoded exactly";
  throw new UnsupportedPicture(why);
}
