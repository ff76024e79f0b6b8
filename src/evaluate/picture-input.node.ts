/** Picture inputs in Node, where a file's path is one too. */

import { decodeBytes } from "../images/decode.node.ts";
import { readPicture } from "../images/read.node.ts";
import type { Decode, PictureData } from "./picture-input.ts";

/** A file's path; the bytes of a JPEG, PNG or other picture file, with or without a name; or pixels. */
export type PictureInput = string | PictureData;

/** The input as `PictureData`; a file is only read when it is needed. */
export const dataOf = (input: PictureInput): PictureData =>
  typeof input === "string" ? { name: input, bytes: () => readPicture(input) } : input;

/** Node's decoder: sharp, or our own for formats that sharp does not read. */
export const decode: Decode = decodeBytes;
