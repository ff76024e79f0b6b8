/**
 * WebP by the browser's decoder, read back through WebGL: a 2D canvas multiplies colours by alpha, and they do not come back.
 */

import { PictureFault } from "./fault.ts";
import { ascii } from "./format.ts";
import type { Picture } from "./resize.ts";
import { fromRgb } from "./samples.ts";

export async function decodeWebp(bytes: Uint8Array): Promise<Picture> {
  const bitmap = await createImageBitmap(new Blob([withoutOrientation(bytes)]), {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  try {
    const { width, height } = bitmap;
    return fromRgb({ width, height, channels: 4, data: texelsOf(bitmap) });
  } finally {
    bitmap.close();
  }
}

/** A copy whose EXIF chunk has no name that a browser knows: `imageOrientation: "none"` turns pictures all the same. */
function withoutOrientation(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes);
  const view = new DataView(copy.buffer);
  // RIFF: chunks of name, length and data of an even length.
  for (let at = 12; at + 8 <= copy.length; at += 8 + view.getUint32(at + 4, true) + (copy[at + 4]! & 1)) {
    if (ascii(copy, at, at + 4) === "EXIF") copy.set([0x6e, 0x6f, 0x6e, 0x65], at);
  }
  return copy;
}

/** The bitmap's four channels as they are, without colour management or multiplication by alpha. */
function texelsOf(bitmap: ImageBitmap): Uint8Array {
  const gl = webGl();
  return gl === undefined ? opaqueTexels(bitmap) : readBack(gl, bitmap);
}

let context: WebGL2RenderingContext | undefined;

function webGl(): WebGL2RenderingContext | undefined {
  if (context === undefined || context.isContextLost()) {
    context = new OffscreenCanvas(1, 1).getContext("webgl2") ?? undefined;
  }
  return context;
}

function readBack(gl: WebGL2RenderingContext, bitmap: ImageBitmap): Uint8Array {
  const { width, height } = bitmap;
  const most = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number;
  if (width > most || height > most) throw new PictureFault(`${width} × ${height}: more than WebGL's ${most} a side`);
  const texture = gl.createTexture();
  const frame = gl.createFramebuffer();
  try {
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    const data = new Uint8Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
    return data;
  } finally {
    gl.deleteFramebuffer(frame);
    gl.deleteTexture(texture);
  }
}

/** Without WebGL a 2D canvas does as well where nothing is transparent. */
function opaqueTexels(bitmap: ImageBitmap): Uint8Array {
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height).getContext("2d");
  if (canvas === null) throw new PictureFault("this browser gives no canvas to read WebP pictures back through");
  canvas.drawImage(bitmap, 0, 0);
  const { data } = canvas.getImageData(0, 0, width, height);
  for (let i = 3; i < data.length; i += 4) {
    if (data[i] !== 255) throw new PictureFault("without WebGL 2 transparent WebP pictures are not decoded");
  }
  return new Uint8Array(data.buffer);
}
