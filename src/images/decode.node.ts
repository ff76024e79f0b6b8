/**
 * Decodes picture files to RGB bytes, equal to Pillow's `Image.open(file).convert("RGB")` bit for bit: colour profiles and
 * EXIF orientation are not applied (except a TIFF's, as in Pillow), alpha is dropped rather than composited, and only the
 * first of several pictures is used.
 *
 * sharp (libvips with the same codecs as Pillow) does most of it. Where conventions differ, for CMYK and 16-bit grey, raw
 * samples are converted here as Pillow does. Formats that libvips lacks or decodes differently are decoded here, and so are
 * usual JPEGs, in a third of the time.
 */

import type { Sharp } from "sharp";
import { causeText, SenetError } from "../errors.ts";
import { availableMemory } from "../memory.node.ts";
import { decodeBmp } from "./bmp.ts";
import { PictureFault } from "./fault.ts";
import type { Format } from "./format.ts";
import { decodeGif } from "./gif.ts";
import { type Header, jpegFrame, tiffTags } from "./header.ts";
import { decodeJpeg, type Reduction, reducedExtent } from "./jpeg.ts";
import { withWholePalette } from "./png.ts";
import { decodePnm } from "./pnm.ts";
import { type Room, readPicture } from "./read.node.ts";
import type { Picture } from "./resize.ts";
import { fromCmyk, fromGrey16, fromRgb, type Samples } from "./samples.ts";
import { sharp } from "./sharp.node.ts";
import { bytesAtWork, maxPixels, soundHeader, told, unsound } from "./sound.ts";
import type { PictureView } from "./view.ts";
import { hasKernels } from "./wasm.ts";

/**
 * Decodes a file, whatever its name: a PNG called `.jpg` is fine.
 * @throws SenetError `data`, naming the file and the reason: unreadable, empty, not a picture, truncated, corrupt
 */
export async function decodePicture(file: string): Promise<Picture> {
  return openPicture(file).decode();
}

/** A picture whose header has been read and is sound. */
export interface OpenedPicture {
  /** Approximate peak memory for decoding, including the result. */
  readonly bytes: number;
  /** The size in the header, if known. */
  readonly size: Pick<Picture, "width" | "height"> | undefined;
  /**
   * @param reduction factor by which a usual JPEG is reduced; others keep their size
   * @param isBrief whether the pixels are only needed until the next picture is decoded, so that memory can be reused
   * @throws SenetError `data`
   */
  readonly decode: (reduction?: Reduction, isBrief?: boolean) => Promise<Picture>;
  /**
   * A synchronous view whose parts are decoded on demand; only for usual JPEGs.
   * @param isChecked whether decoding a part also checks the rest for damage
   */
  readonly view: ((reduction: Reduction, isChecked: boolean) => PictureView) | undefined;
}

/**
 * Reads a file without decoding it, so that the caller can wait for memory first.
 * @throws SenetError `data`
 */
export function openPicture(file: string, room?: Room): OpenedPicture {
  return openBytes(readPicture(file, room), file);
}

/**
 * Decodes a file's bytes.
 * @param name for error messages
 * @throws SenetError `data`
 */
export async function decodeBytes(bytes: Uint8Array, name: string): Promise<Picture> {
  return openBytes(bytes, name).decode();
}

/** As `openPicture`, for a file's bytes. @throws SenetError `data` */
export function openBytes(bytes: Uint8Array, name: string): OpenedPicture {
  const { format, header } = soundHeader(bytes, name, availableMemory);
  return {
    bytes: bytes.length + (header === undefined ? 0 : bytesAtWork(header)),
    size: header,
    decode: async (reduction = 1, isBrief = false) =>
      told(bytes, format, name, () => ours[format]?.(bytes, reduction, isBrief)) ?? decodeSharp(bytes, format, name),
    view: format === "JPEG" && header !== undefined && hasKernels() ? jpegView(bytes, header) : undefined,
  };
}

/**
 * Our own decoders, for formats that libvips lacks or decodes differently from Pillow, and for usual JPEGs, which are
 * faster here.
 */
type Decoder = (bytes: Uint8Array, reduction: Reduction, isBrief: boolean) => Picture | undefined;
const ours: Partial<Readonly<Record<Format, Decoder>>> = {
  JPEG: (bytes, reduction, isBrief) => decodeJpeg(bytes, { reduction, isBrief }),
  GIF: decodeGif,
  BMP: decodeBmp,
  PNM: decodePnm,
};

const jpegView =
  (bytes: Uint8Array, { width, height }: Header) =>
  (reduction: Reduction, isChecked: boolean): PictureView => ({
    width: reducedExtent(width, reduction),
    height: reducedExtent(height, reduction),
    part: (box) => {
      const picture = decodeJpeg(bytes, { reduction, box, isChecked, isBrief: true });
      if (picture === undefined) throw new PictureFault("not a JPEG of the usual kind, or damaged");
      return { picture, box: { left: 0, top: 0, width: box.width, height: box.height } };
    },
  });

async function decodeSharp(bytes: Uint8Array, format: Format, name: string): Promise<Picture> {
  const layout = layoutOf(bytes, format, name);
  const readable = (format === "PNG" ? withWholePalette(bytes) : undefined) ?? bytes;
  const image = sharp()(readable, { ignoreIcc: true, failOn: "error", limitInputPixels: maxPixels });
  // Pillow applies the orientation of TIFFs only.
  if (format === "TIFF") image.autoOrient();
  try {
    if (layout === "cmyk") return fromCmyk(await raw(image.pipelineColourspace("cmyk").toColourspace("cmyk"), "uchar"));
    if (layout === "grey16") {
      const { data, ...size } = await raw(image.pipelineColourspace("grey16").toColourspace("grey16"), "ushort");
      return fromGrey16({ ...size, data: new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2) });
    }
    return fromRgb(await raw(image, "uchar"));
  } catch (cause) {
    throw undecodable(cause, bytes, format, name);
  }
}

/** Loads the decoder. @throws SenetError `io` where it does not load: to be called before decoding many pictures */
export const requireDecoder = (): unknown => sharp();

const asImage = ({ width, height, data }: Picture): Sharp => sharp()(data, { raw: { width, height, channels: 3 } });

/** The picture as a PNG file. */
export const encodePng = (picture: Picture): Promise<Uint8Array> => asImage(picture).png().toBuffer();

/** The picture as a JPEG file, for viewing. */
export const encodeJpeg = (picture: Picture): Promise<Uint8Array> => asImage(picture).jpeg({ quality: 80 }).toBuffer();

/** The decoder and its version, or why there is none. */
export function describeDecoder(): string {
  try {
    const { versions } = sharp();
    return `sharp ${versions.sharp}, libvips ${versions.vips}`;
  } catch (error) {
    if (!(error instanceof SenetError)) throw error;
    return `none: sharp does not load here (${error.details.found})`;
  }
}

/** How Pillow converts a file's samples. @throws SenetError `data` for files that it would decode differently */
function layoutOf(bytes: Uint8Array, format: Format, name: string): "rgb" | "cmyk" | "grey16" {
  if (format === "JPEG" && jpegFrame(bytes)?.components === 4) return "cmyk";
  // IHDR, always first: bit depth at 24, colour type at 25 (0: grey without alpha).
  if (format === "PNG" && bytes[24] === 16 && bytes[25] === 0) return "grey16";
  return format === "TIFF" ? tiffLayout(bytes, name) : "rgb";
}

/** A TIFF's photometric interpretations. */
const Tiff = { whiteIsZero: 0, blackIsZero: 1, rgb: 2, palette: 3, cmyk: 5, ycbcr: 6 } as const;

function tiffLayout(bytes: Uint8Array, name: string): "rgb" | "cmyk" {
  const tags = tiffTags(bytes);
  // Truncated: the directory is usually at the end.
  if (tags.size === 0) return "rgb";
  const bits = tags.get(258) ?? [1];
  const kind = tags.get(262)?.[0];
  const isInteger = (tags.get(339)?.[0] ?? 1) === 1;
  const known = Object.values(Tiff).some((value) => value === kind);
  // YCbCr only becomes RGB if a JPEG decoder converts it; Pillow fails otherwise.
  const isJpeg = tags.get(259)?.[0] === 7;
  if (
    known &&
    (kind !== Tiff.ycbcr || isJpeg) &&
    isInteger &&
    bits.every((count) => count === 8 || (count === 1 && bits.length === 1))
  ) {
    return kind === Tiff.cmyk ? "cmyk" : "rgb";
  }
  throw new SenetError("data", "this kind of TIFF is not supported", {
    where: name,
    expected: "8 bits a channel in grey, RGB, CMYK or a palette, or black and white",
    found: `${bits.join(", ")} bits, ${isInteger ? "" : "not whole numbers, "}photometric interpretation ${kind}`,
    hint: "convert it to PNG, or take it out of the folder",
  });
}

async function raw(image: Sharp, depth: "uchar" | "ushort"): Promise<Samples> {
  const { data, info } = await image.raw({ depth }).toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels, data };
}

/** Prefixes of libvips' messages for each format. */
const readers: Partial<Readonly<Record<Format, RegExp>>> = {
  JPEG: /^VipsJpeg: /,
  PNG: /^vipspng: /,
  WebP: /^webp(2vips)?: /,
  TIFF: /^tiff2vips: /,
};

/**
 * libvips keeps its messages in one place for all threads, so they may be lost, or be about another picture. Messages
 * for other formats are ignored; those for the same format are assumed to be about this picture.
 */
function undecodable(cause: unknown, bytes: Uint8Array, format: Format, name: string): SenetError {
  const message = causeText(cause);
  const isForeign = (line: string) =>
    !readers[format]?.test(line) && Object.values(readers).some((one) => one.test(line));
  const said = message
    .replace(/^Input buffer has corrupt header: ?/, "")
    .split("\n")
    .filter((line) => line !== "" && line !== "Unknown error" && !isForeign(line))
    .map((line) => line.replace(/^\w+: /, "").trim());
  // It repeats itself on several lines; the first is enough.
  return unsound(said[0] ?? "its decoder does not say why", bytes, format, name, cause, said.join("\n"));
}
