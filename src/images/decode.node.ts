/**
 * From a picture file to RGB bytes, equal to Pillow's `Image.open(file).convert("RGB")` bit for bit: colour profiles and
 * EXIF orientation are not applied (but a TIFF's, as in Pillow), alpha is dropped rather than composited, of several
 * pictures the first is taken.
 *
 * sharp (libvips over the same codecs as Pillow's) decodes. Where the two differ by convention, CMYK and 16-bit grey,
 * the samples are taken raw and converted here as Pillow does. What libvips lacks or shows otherwise is decoded here, and
 * so are JPEGs of the usual kind, in a third of the time.
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
import { decodePnm } from "./pnm.ts";
import { type Room, readPicture } from "./read.node.ts";
import type { Picture } from "./resize.ts";
import { fromCmyk, fromGrey16, fromRgb, type Samples } from "./samples.ts";
import { sharp } from "./sharp.node.ts";
import { bytesAtWork, MAX_PIXELS, soundHeader, told, unsound } from "./sound.ts";
import type { PictureView } from "./view.ts";
import { hasKernels } from "./wasm.ts";

/**
 * The picture in a file. Its name says nothing: a PNG called `.jpg` decodes.
 * @throws SenetError `data` naming the file and the reason: cannot be read, empty, no picture, truncated, corrupt
 */
export async function decodePicture(file: string): Promise<Picture> {
  return openPicture(file).decode();
}

/** A picture whose header has been read and found sound. */
export interface OpenedPicture {
  /** About how much memory decoding takes at its height, the result included. */
  readonly bytes: number;
  /** What the header says, where it says it. */
  readonly size: Pick<Picture, "width" | "height"> | undefined;
  /**
   * @param reduction a JPEG of the usual kind comes at so many times less its size; all others at their own
   * @param isBrief the pixels are wanted only until the next picture is decoded: they may come in memory that is used again
   * @throws SenetError `data`
   */
  readonly decode: (reduction?: Reduction, isBrief?: boolean) => Promise<Picture>;
  /**
   * A picture of which parts are decoded, without a promise; only of JPEGs of the usual kind.
   * @param isChecked whether each look at a part also looks for damage in the rest
   */
  readonly view: ((reduction: Reduction, isChecked: boolean) => PictureView) | undefined;
}

/**
 * Reads the file, but decodes nothing yet, so that whoever asks may first wait for the memory.
 * @throws SenetError `data`
 */
export function openPicture(file: string, room?: Room): OpenedPicture {
  return openBytes(readPicture(file, room), file);
}

/**
 * The picture in a file's bytes.
 * @param name for error messages
 * @throws SenetError `data`
 */
export async function decodeBytes(bytes: Uint8Array, name: string): Promise<Picture> {
  return openBytes(bytes, name).decode();
}

/** As `openPicture`, of bytes that have been read. @throws SenetError `data` */
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

/** What libvips does not read, or shows otherwise than Pillow; and JPEGs of the usual kind, which are sooner decoded here. */
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
  const image = sharp()(bytes, { ignoreIcc: true, failOn: "error", limitInputPixels: MAX_PIXELS });
  // Pillow turns TIFFs upright, and no other pictures.
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

/** @throws SenetError `io` where the decoder does not load: for whoever will decode many pictures */
export const requireDecoder = (): unknown => sharp();

const asImage = ({ width, height, data }: Picture): Sharp => sharp()(data, { raw: { width, height, channels: 3 } });

/** The picture as a PNG file. */
export const encodePng = (picture: Picture): Promise<Uint8Array> => asImage(picture).png().toBuffer();

/** The picture as a JPEG file, for people to look at. */
export const encodeJpeg = (picture: Picture): Promise<Uint8Array> => asImage(picture).jpeg({ quality: 80 }).toBuffer();

/** The decoder and its version, or why there is none, for reports on a machine. */
export function describeDecoder(): string {
  try {
    const { versions } = sharp();
    return `sharp ${versions.sharp}, libvips ${versions.vips}`;
  } catch (error) {
    if (!(error instanceof SenetError)) throw error;
    return `none: sharp does not load here (${error.details.found})`;
  }
}

/** Which samples Pillow converts in a way of its own. @throws SenetError `data` for what is not decoded as by Pillow */
function layoutOf(bytes: Uint8Array, format: Format, name: string): "rgb" | "cmyk" | "grey16" {
  if (format === "JPEG" && jpegFrame(bytes)?.components === 4) return "cmyk";
  // IHDR, always first: bit depth at 24, colour type at 25 (0: grey without alpha).
  if (format === "PNG" && bytes[24] === 16 && bytes[25] === 0) return "grey16";
  return format === "TIFF" ? tiffLayout(bytes, name) : "rgb";
}

/** Photometric interpretations: which samples a TIFF has. */
const Tiff = { whiteIsZero: 0, blackIsZero: 1, rgb: 2, palette: 3, cmyk: 5, ycbcr: 6 } as const;

function tiffLayout(bytes: Uint8Array, name: string): "rgb" | "cmyk" {
  const tags = tiffTags(bytes);
  // Cut off: the directory stands mostly at the end.
  if (tags.size === 0) return "rgb";
  const bits = tags.get(258) ?? [1];
  const kind = tags.get(262)?.[0];
  const isInteger = (tags.get(339)?.[0] ?? 1) === 1;
  const known = Object.values(Tiff).some((value) => value === kind);
  // Y, Cb and Cr come out as RGB only where a JPEG decoder makes it of them; Pillow fails otherwise.
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

/** The modules of libvips that read these kinds, as its messages begin. */
const readers: Partial<Readonly<Record<Format, RegExp>>> = {
  JPEG: /^VipsJpeg: /,
  PNG: /^vipspng: /,
  WebP: /^webp(2vips)?: /,
  TIFF: /^tiff2vips: /,
};

/**
 * libvips keeps its messages in one place for all threads, so that what it says of a picture may be lost, or may be of
 * another one, before or at the same time. Other kinds' messages are left out; one's own kind's are taken for it.
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
  // It repeats itself over several lines; the first says it.
  return unsound(said[0] ?? "its decoder does not say why", bytes, format, name, cause, said.join("\n"));
}
