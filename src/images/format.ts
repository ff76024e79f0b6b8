/** Which kind of picture a file is, and how large, from its first bytes. */

/** What is decoded, each to the same bytes as Pillow makes of it. */
export const formats = ["JPEG", "PNG", "WebP", "GIF", "TIFF", "BMP", "PNM"] as const;
export type Format = (typeof formats)[number];

/** File names that are taken for pictures without a look into the file. */
export const pictureExtensions: readonly string[] = [
  ...[".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp"],
  ...[".pbm", ".pgm", ".ppm", ".pnm"],
];

/** The end of a name from its last dot, in lower case; empty where it has none. */
export function extensionOf(name: string): string {
  return /[^/\\](\.[^./\\]+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
}

export const isPictureName = (name: string): boolean => pictureExtensions.includes(extensionOf(name));

/** Sizes of the headers that BMPs have: they tell one from a text that begins with "BM". */
const bmpHeaders: readonly number[] = [12, 40, 52, 56, 64, 108, 124];

/** How many bytes `formatOf` wants to see. */
export const FORMAT_BYTES = 18;

/** The format by the first bytes, as Pillow decides it. */
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

/** Bytes as text, each a letter. */
export const ascii = (bytes: Uint8Array, start: number, end: number): string =>
  String.fromCharCode(...bytes.subarray(start, end));
