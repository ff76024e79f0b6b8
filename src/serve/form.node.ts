/**
 * Parses multipart/form-data (RFC 7578) from a complete body. Node's own `Response.formData` requires boundaries of at
 * least 27 characters, while clients may choose 1 to 70 (RFC 2046).
 */

import { badRequest, tooLarge } from "./refusal.ts";

export interface Part {
  readonly name: string;
  /** Set if the part is a file. */
  readonly filename: string | undefined;
  /** Media type, such as `image/jpeg`; empty if not given. */
  readonly type: string;
  /** A view of the body. */
  readonly bytes: Buffer;
}

/** Most parts of a form; no sender of pictures needs more. */
const mostParts = 1000;
const mostHeaderBytes = 16 * 1024;

/** @throws Refusal 400, 413 */
export function partsOf(contentType: string, body: Uint8Array): readonly Part[] {
  const [, quoted, bare] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)/i.exec(contentType) ?? [];
  const boundary = quoted ?? bare;
  if (boundary === undefined) throw unreadable("Content-Type names no boundary of 1 to 70 characters");
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const first = delimiter.subarray(2);
  // Anything before the first part is ignored.
  let at = bytes.subarray(0, first.length).equals(first) ? first.length : endOf(bytes, delimiter, 0);
  const parts: Part[] = [];
  for (;;) {
    if (at < 0) throw unreadable("the form breaks off");
    if (bytes[at] === 0x2d && bytes[at + 1] === 0x2d) return parts;
    if (parts.length === mostParts) throw tooLarge("the form has too many parts", { expected: `at most ${mostParts}` });
    const line = bytes.indexOf("\r\n", at);
    if (line < 0 || bytes.toString("latin1", at, line).trim() !== "")
      throw unreadable("a boundary is not on a line of its own");
    const end = bytes.indexOf("\r\n\r\n", line);
    if (end < 0 || end - line > mostHeaderBytes) throw unreadable("a part's headers do not end");
    const start = end + 4;
    const next = bytes.indexOf(delimiter, end + 2);
    if (next < 0) throw unreadable("the form breaks off");
    parts.push({
      ...headersOf(bytes.toString("utf8", line, end)),
      bytes: bytes.subarray(Math.min(start, next), next),
    });
    at = next + delimiter.length;
  }
}

const unreadable = (found: string) =>
  badRequest("the form cannot be read", { expected: "multipart/form-data as RFC 7578 has it", found });

function endOf(bytes: Buffer, wanted: Buffer, from: number): number {
  const at = bytes.indexOf(wanted, from);
  return at < 0 ? -1 : at + wanted.length;
}

function headersOf(headers: string): Omit<Part, "bytes"> {
  const [, parameters = ""] = /^content-disposition:\s*form-data\s*(;.*)$/im.exec(headers) ?? [];
  const found = parametersOf(parameters);
  const name = found.get("name");
  if (name === undefined) throw unreadable("a part has no name");
  const [, type = ""] = /^content-type:\s*([^\s;]+)/im.exec(headers) ?? [];
  return { name, type: type.toLowerCase(), filename: extended(found.get("filename*")) ?? found.get("filename") };
}

/**
 * Parsed sequentially, since a quoted value may contain what looks like the next parameter; the first of equal names
 * counts.
 */
function parametersOf(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [, key, quoted, bare] of text.matchAll(/;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/g)) {
    const name = key!.toLowerCase();
    if (!found.has(name)) found.set(name, named(quoted?.replace(/\\(["\\])/g, "$1") ?? bare!));
  }
  return found;
}

/** Decodes names: browsers write `"` and line breaks as `%22`, `%0D` and `%0A`; others use a backslash. */
const named = (text: string): string => text.replace(/%(22|0D|0A)/gi, (code) => decodeURIComponent(code));

/** Decodes `UTF-8''%C3%A4.jpg` (RFC 5987), which some clients send in addition to or instead of a plain name. */
function extended(text: string | undefined): string | undefined {
  const [, charset, encoded] = /^(utf-8|iso-8859-1)'[^']*'(.*)$/i.exec(text ?? "") ?? [];
  if (encoded === undefined) return undefined;
  const bytes = Buffer.from(
    encoded.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))),
    "latin1",
  );
  return bytes.toString(charset!.toLowerCase() === "utf-8" ? "utf8" : "latin1");
}
