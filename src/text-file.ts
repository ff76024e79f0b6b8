/** Reads text files as editors write them. */

/**
 * Decodes a text file and drops its byte order mark: UTF-8, or UTF-16 if the mark says so, as written by Windows
 * editors and PowerShell.
 */
export function decodeText(bytes: Uint8Array): string {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : isBigEndian(bytes) ? "utf-16be" : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}

const isBigEndian = (bytes: Uint8Array): boolean => bytes[0] === 0xfe && bytes[1] === 0xff;

/** The lines of a text, with any line endings, without empty lines at the end. */
export const linesOf = (text: string): string[] => text.replace(/\s+$/, "").split(/\r\n|\n|\r/);
