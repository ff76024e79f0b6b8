/** Detects the format of a weight file by its content: names can be wrong, and downloads may bring something else. */

import { failAt, fetchAgain } from "./bytes.ts";
import { foreignFormat, rawHint } from "./foreign.ts";
import { formats, type WeightFormat } from "./formats.ts";

const known = [...new Set(formats.map(({ title }) => title))].join(", ");

/**
 * @param bytes the whole file
 * @param where the file's name, for errors
 * @throws SenetError `weights` where it is empty, another program's (named in the message), a web page, an archive, or
 * in no supported format
 */
export function detectFormat(bytes: Uint8Array, where: string): WeightFormat {
  const fail = failAt(where);
  if (bytes.length === 0)
    return fail("the file is empty", { expected: known, found: "0 bytes", hint: "fetch it again" });
  const sure = formats.find(({ isSure, detect }) => isSure && detect(bytes));
  if (sure !== undefined) return sure.name;
  const foreign = foreignFormat(bytes, where);
  if (foreign !== undefined) {
    const { is, ...details } = foreign;
    fail(`this is ${is}`, {
      expected: known,
      found: shownStart(bytes),
      hint: "give the file with the weights",
      ...details,
    });
  }
  const found = formats.find(({ detect }) => detect(bytes));
  if (found !== undefined) return found.name;
  return fail("this file is in no supported format", {
    expected: known,
    found: shownStart(bytes),
    hint: rawHint(where) ?? fetchAgain,
  });
}

function shownStart(bytes: Uint8Array): string {
  const hex = [...bytes.subarray(0, 12)].map((byte) => byte.toString(16).padStart(2, "0"));
  return `${bytes.length} bytes that begin ${hex.join(" ")}`;
}
