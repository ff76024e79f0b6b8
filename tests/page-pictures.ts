/** Pictures, decoded in a page by the library's decoder for browsers. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { formatOf } from "../src/images/format.ts";
import { decodedPictures } from "./golden-pictures.ts";
import type { Evaluating } from "./page.ts";
import { golden } from "./support.ts";

/** SHA-256 of the pixels, in hexadecimal, or what the error says. */
export interface Answer {
  readonly sha256?: string;
  readonly message?: string;
  readonly code?: string;
}

const inPage = `async (pictures) => {
  const { decodeInBrowser } = await import("/dist/src/images/decode.web.js");
  const answers = [];
  for (const [name, base64] of pictures) {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    try {
      const { data } = await decodeInBrowser(bytes, name);
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
      answers.push({ sha256: [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("") });
    } catch ({ message, code }) {
      answers.push({ message, code });
    }
  }
  return answers;
}`;

/** What each comes to, in their order. */
export async function decodedIn(
  page: Evaluating,
  pictures: readonly (readonly [name: string, bytes: Uint8Array])[],
): Promise<readonly Answer[]> {
  const given = pictures.map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]);
  return (await page.evaluate(`(${inPage})(${JSON.stringify(given)})`)) as Answer[];
}

/** Those of golden/images come to Pillow's bytes; TIFF is refused. */
export async function assertDecodesAsPillow(page: Evaluating): Promise<void> {
  const pictures = decodedPictures.map((one) => ({ ...one, bytes: readFileSync(golden("images", one.file)) }));
  const found = await decodedIn(
    page,
    pictures.map(({ file, bytes }) => [file, bytes]),
  );
  for (const [i, { file, sha256, bytes }] of pictures.entries()) {
    const { sha256: hash, message } = found[i]!;
    if (formatOf(bytes) === "TIFF")
      assert.match(message!, /TIFF pictures are not decoded in browsers.*convert it to PNG/s, file);
    else assert.equal(hash, sha256, `${file}: ${message}`);
  }
}
