/** Text files as editors write them. */

/**
 * The text of a file without its byte order mark: UTF-8, or UTF-16 where the mark says so, as Windows' editors and
 * PowerShell write it.
 */
export function decodeText(bytes: Uint8Array): string {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : isBigEndian(bytes) ? "utf-16be" : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}

const isBigEndian = (bytes: Uint8Array): boolean => bytes[0] === 0xfe && bytes[1] === 0xff;

/** Its lines, however they end, without the empty ones at the end. */
export const linesOf = (text: string): string[] => text.replace(/\s+$/, "").split(/\r\n|\n|\r/);
