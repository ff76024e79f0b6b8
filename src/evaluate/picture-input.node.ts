/** Picture inputs in Node, where a file's path is one too. */

import { shownKind } from "../arguments.ts";
import { SenetError } from "../errors.ts";
import { decodeBytes } from "../images/decode.node.ts";
import { readPicture } from "../images/read.node.ts";
import type { Decode, PictureData } from "./picture-input.ts";

/** A file's path; the bytes of a JPEG, PNG or other picture file, with or without a name; or pixels. */
export type PictureInput = string | PictureData;

/** The input as `PictureData`; a file is only read when it is needed. @throws SenetError `usage` for anything else */
export function dataOf(input: PictureInput): PictureData {
  if (typeof input === "string") return { name: input, bytes: () => readPicture(input) };
  if (isPictureData(input)) return input;
  throw new SenetError("usage", "this is no picture", {
    expected: "a file's path, the bytes of a picture file (Uint8Array), { name, bytes }, or { width, height, data }",
    found: shownKind(input),
    hint: "a URL of a file: fileURLToPath(url); an ArrayBuffer: new Uint8Array(buffer); a Blob: await blob.bytes()",
  });
}

const isPictureData = (input: unknown): input is PictureData =>
  input instanceof Uint8Array || (typeof input === "object" && input !== null && ("bytes" in input || "data" in input));

/** Node's decoder: sharp, or our own for formats that sharp does not read. */
export const decode: Decode = decodeBytes;
