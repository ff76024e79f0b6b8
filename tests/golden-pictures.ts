/** The pictures of golden/images, and Pillow's results for them, from golden/make_images.py. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Picture } from "../src/images/resize.ts";
import { golden } from "./support.ts";

export interface Decoded {
  readonly file: string;
  readonly mode: string;
  readonly size: readonly [number, number];
  readonly sha256: string;
}

export const { decode: decodedPictures }: { readonly decode: readonly Decoded[] } = JSON.parse(
  readFileSync(golden("images.json"), "utf8"),
);

export function sha256(data: Uint8Array | Float32Array): string {
  return createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");
}

export function assertDecoded(picture: Picture, { file, mode, size, sha256: hash }: Decoded): void {
  assert.deepEqual([picture.width, picture.height], size, `${file}: size`);
  assert.equal(picture.data.length, picture.width * picture.height * 3, `${file}: bytes`);
  assert.equal(sha256(picture.data), hash, `${file} (${mode}) differs from Pillow's`);
}
