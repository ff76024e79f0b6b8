/**
 * Forms with files: multipart/form-data (RFC 7578) of a body that is here as a whole. Node's own `Response.formData` takes no
 * boundary of fewer than 27 characters, where clients may choose 1 to 70 (RFC 2046).
 */

import { badRequest, tooLarge } from "./refusal.ts";

export interface Part {
  readonly name: string;
  /** Present where it is a file. */
  readonly filename: string | undefined;
  /** A view of the body. */
  readonly bytes: Buffer;
}

/** Of one form: nobody who sends pictures needs more. */
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
  // What stands before the first part means nothing.
  let at = bytes.subarray(0, first.length).equals(first) ? first.length : endOf(bytes, delimiter, 0);
  const parts: Part[] = [];
  for (;;) {
    if (at < 0) throw unreadable("the form breaks off");
    if (bytes[at] === 0x2d && bytes[at + 1] === 0x2d) return parts;
    if (parts.length === mostParts) throw tooLarge("the form has too many parts", { expected: `at most ${mostParts}` });
    const line = bytes.indexOf("\r\n", at);
    if (line < 0 || bytes.toString("latin1", at, line).trim() !== "")
      throw unreadable("a boundary is no line of its own");
    const end = bytes.indexOf("\r\n\r\n", line);
    if (end < 0 || end - line > mostHeaderBytes) throw unreadable("a part's headers do not end");
    const start = end + 4;
    const next = bytes.indexOf(delimiter, end + 2);
    if (next < 0) throw unreadable("the form breaks off");
    parts.push({
      ...dispositionOf(bytes.toString("utf8", line, end)),
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

function dispositionOf(headers: string): Pick<Part, "name" | "filename"> {
  const [, parameters] = /^content-disposition:\s*form-data\s*(;.*)$/im.exec(headers) ?? [];
  const name = parameterOf(parameters ?? "", "name");
  if (name === undefined) throw unreadable("a part has no name");
  return { name, filename: parameterOf(parameters!, "filename") };
}

/** Browsers write `"` and line breaks as `%22`, `%0D` and `%0A`; others put a backslash before. */
function parameterOf(parameters: string, name: string): string | undefined {
  const [, quoted, bare] =
    new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;"]+))`, "i").exec(parameters) ?? [];
  return (quoted?.replace(/\\(["\\])/g, "$1") ?? bare)?.replace(/%(22|0D|0A)/gi, (code) => decodeURIComponent(code));
}
