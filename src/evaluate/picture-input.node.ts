/** Pictures in files. */

import { decodeBytes } from "../images/decode.node.ts";
import { readPicture } from "../images/read.node.ts";
import type { Decode, PictureData } from "./picture-input.ts";

/** The path of a file; the bytes of a JPEG, PNG or the like, with a name or without; or pixels. */
export type PictureInput = string | PictureData;

/** A file is read when its turn comes. */
export const dataOf = (input: PictureInput): PictureData =>
  typeof input === "string" ? { name: input, bytes: () => readPicture(input) } : input;

/** Node's decoder: sharp, and for what it does not read our own. */
export const decode: Decode = decodeBytes;
