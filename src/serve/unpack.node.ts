/** Bodies that the client has compressed (`Content-Encoding`). */

import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate } from "node:zlib";
import { causeText } from "../errors.ts";
import { badRequest, Refusal, tooLargeBody } from "./refusal.ts";

const codings = {
  gzip: promisify(gunzip),
  "x-gzip": promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
} as const;

/** How a body is compressed. */
export type Coding = keyof typeof codings;

/** Value of `Accept-Encoding` with a refusal (RFC 9110, section 12.5.3). */
export const acceptedCodings = "gzip, deflate, br";

/** @throws Refusal 415 for a coding that is not known, or several */
export function codingOf(header: string | undefined): Coding | undefined {
  const coding = (header ?? "").trim().toLowerCase();
  if (coding === "" || coding === "identity") return undefined;
  if (Object.hasOwn(codings, coding)) return coding as Coding;
  throw new Refusal(415, "unsupported_media_type", "bodies compressed like this are not read", {
    expected: `Content-Encoding: ${acceptedCodings.replace(/, (\w+)$/, " or $1")}, or none`,
    found: header!.slice(0, 40),
  });
}

/**
 * Unpacks a body, in a thread of Node's pool.
 * @param most bytes of the result; unpacking stops there, so that a small body cannot fill the memory
 * @throws Refusal 400 where it is damaged, 413 where it is larger
 */
export async function unpacked(body: Buffer, coding: Coding, most: number): Promise<Buffer> {
  try {
    return await codings[coding](body, { maxOutputLength: most });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLargeBody(most, undefined);
    throw badRequest("the body cannot be unpacked", { expected: `${coding}, whole`, found: causeText(cause) });
  }
}
