/** Pictures as a program has them: in files, as the bytes of files, or as pixels. */

import { decodeBytes, decodePicture } from "../images/decode.node.ts";
import type { Picture } from "../images/resize.ts";
import { checkPixels } from "./pixels.ts";

/** A picture that is no file: what it is called, and the bytes of its JPEG, PNG or the like. */
export interface PictureBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The path of a file; the bytes of a JPEG, PNG or the like, with a name or without; or pixels. */
export type PictureInput = string | Uint8Array | PictureBytes | Picture;

/** What a picture is called in results and errors. */
export function nameOf(input: PictureInput): string {
  if (typeof input === "string") return input;
  return "name" in input ? input.name : "picture";
}

/** @throws SenetError `data` where it cannot be read or decoded, or has not as many pixels as it says */
export async function pictureOf(input: PictureInput): Promise<Picture> {
  if (typeof input === "string") return decodePicture(input);
  if (input instanceof Uint8Array) return decodeBytes(input, nameOf(input));
  if ("bytes" in input) return decodeBytes(input.bytes, input.name);
  return checkPixels(input, nameOf(input));
}
