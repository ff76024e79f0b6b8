/** Detects the format of a picture file from its first bytes. */

/** Supported formats, each decoded to the same bytes as by Pillow. */
export const formats = ["JPEG", "PNG", "WebP", "GIF", "TIFF", "BMP", "PNM"] as const;
export type Format = (typeof formats)[number];

/** Extensions of files assumed to be pictures without reading them. */
export const pictureExtensions: readonly string[] = [
  ...[".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp"],
  ...[".pbm", ".pgm", ".ppm", ".pnm"],
];

/** A name's extension with its dot, in lower case; empty if there is none. */
export function extensionOf(name: string): string {
  return /[^/\\](\.[^./\\]+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
}

export const isPictureName = (name: string): boolean => pictureExtensions.includes(extensionOf(name));

/** Possible header sizes of BMPs, which distinguish them from a text that begins with "BM". */
const bmpHeaders: readonly number[] = [12, 40, 52, 56, 64, 108, 124];

/** Number of bytes that `formatOf` needs. */
export const formatBytes = 18;

/** The format according to the first bytes, as Pillow decides. */
export function formatOf(bytes: Uint8Array): Format | undefined {
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return "JPEG";
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return "PNG";
  if (ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 12) === "WEBP") return "WebP";
  if (["GIF87a", "GIF89a"].includes(ascii(bytes, 0, 6))) return "GIF";
  if (["II*\0", "MM\0*"].includes(ascii(bytes, 0, 4))) return "TIFF";
  if (ascii(bytes, 0, 2) === "BM" && bmpHeaders.includes(bytes[14]!)) return "BMP";
  if (/^P[456][\s#]/.test(ascii(bytes, 0, 3))) return "PNM";
  return undefined;
}

const startsWith = (bytes: Uint8Array, prefix: readonly number[]): boolean =>
  bytes.length >= prefix.length && prefix.every((value, i) => bytes[i] === value);

/** Bytes as ASCII text. */
export const ascii = (bytes: Uint8Array, start: number, end: number): string =>
  String.fromCharCode(...bytes.subarray(start, end));
