/** Pictures in memory, encoded or as pixels. The decoder is passed in: Node uses sharp, a page its browser. */

import { causeText, SenetError } from "../errors.ts";
import type { CompileOptions } from "../executors/executor.ts";
import { type Preprocessing, planesOf, preprocess } from "../images/preprocess.ts";
import type { Picture } from "../images/resize.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { checkPixels } from "./pixels.ts";

/**
 * Decodes the bytes of a JPEG, PNG or other picture file. Networks are trained on the samples as stored: without colour
 * profiles or EXIF rotation, and with alpha dropped.
 * @param name for error messages
 */
export type Decode = (bytes: Uint8Array, name: string) => Picture | Promise<Picture>;

/** An encoded picture: its name, and its bytes or a function that reads them when needed. */
export interface PictureBytes {
  readonly name: string;
  readonly bytes: Uint8Array | (() => Uint8Array | Promise<Uint8Array>);
}

/** Options of functions that take pictures. */
export interface PictureOptions extends CompileOptions {
  /** Needed if pictures are encoded. */
  readonly decode?: Decode;
}

/** The bytes of a JPEG, PNG or other picture file, with or without a name; or pixels. */
export type PictureData = Uint8Array | PictureBytes | Picture;

/** A picture's name in results and errors. */
export const nameOf = (input: PictureData): string => ("name" in input ? input.name : "picture");

/**
 * The pixels of a picture. @throws SenetError `data` where it cannot be read or decoded, or does not have as many
 * pixels as it says; `usage` where it is encoded and no decoder was given
 */
export async function pixelsOf(input: PictureData, decode: Decode | undefined): Promise<Picture> {
  const name = nameOf(input);
  if ("data" in input) return checkPixels(input, name);
  if (decode === undefined) {
    throw new SenetError("usage", "nothing decodes pictures here", {
      where: name,
      expected: "pixels, or a decoder beside the picture's bytes",
      hint: "hand in { decode: (bytes) => picture }; senet/node has its own",
    });
  }
  const encoded = input instanceof Uint8Array ? input : input.bytes;
  let doing = "read";
  try {
    const bytes = typeof encoded === "function" ? await encoded() : encoded;
    doing = "decoded";
    return checkPixels(await decode(bytes, name), name);
  } catch (cause) {
    if (cause instanceof SenetError) throw cause;
    throw new SenetError("data", `the picture cannot be ${doing}`, { where: name, found: causeText(cause), cause });
  }
}

/**
 * A picture as network input, `[1, C, S, S]`.
 * @throws SenetError as `pixelsOf`
 */
export async function imageOf(
  picture: PictureData,
  preprocessing: Preprocessing,
  decode: Decode | undefined,
): Promise<Tensor> {
  return inputOf(await pixelsOf(picture, decode), preprocessing);
}

/** `[1, C, S, S]` */
export function inputOf(pixels: Picture, preprocessing: Preprocessing): Tensor {
  const { crop } = preprocessing;
  return tensor([1, planesOf(preprocessing), crop, crop], preprocess(pixels, preprocessing));
}
