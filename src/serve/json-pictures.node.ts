/** Pictures in JSON: `{"pictures": [{"base64": "..."}, {"url": "..."}], ...}`. */

import * as z from "../schema.ts";
import { hideCredentials } from "../text-output.ts";
import { parsed, parsedJson } from "./parse.ts";
import { badRequest, tooLarge } from "./refusal.ts";
import { pictureList } from "./schemas.ts";
import type { SentPicture } from "./work.node.ts";

export interface PictureLimits {
  /** Most pictures per request. */
  readonly mostPictures: number;
  /** Most bytes of one request's downloaded pictures. */
  readonly bodyBytes: number;
}

/** A picture, or its address. */
export type ListedPicture = SentPicture | { readonly name: string; readonly url: string };

export interface ListedPictures {
  readonly pictures: readonly ListedPicture[];
  /** The other fields. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** @throws Refusal 400, 413 */
export function listedPictures(body: Uint8Array, limits: PictureLimits): ListedPictures {
  const value = parsedJson(body);
  if (typeof value !== "object" || value === null || !("pictures" in value)) {
    throw badRequest("the body has no pictures", { expected: '{"pictures": [{"base64": "..."}]}' });
  }
  const { pictures: listed, ...options } = value;
  checkCount(Array.isArray(listed) ? listed.length : 1, limits);
  const { pictures: sent } = parsed(z.object({ pictures: pictureList }), { pictures: listed }, "the body");
  const pictures = sent.map((picture, i): ListedPicture => {
    if ("url" in picture) return { name: picture.name ?? hideCredentials(picture.url), url: picture.url };
    const name = picture.name ?? unnamed(i, sent.length);
    return { name, bytes: fromBase64(picture.base64, name) };
  });
  return { pictures, options };
}

/** Default name of a picture. */
export const unnamed = (index: number, count: number): string => (count === 1 ? "picture" : `picture ${index + 1}`);

/** @throws Refusal 413 */
export function checkCount(count: number, { mostPictures }: PictureLimits): void {
  if (count <= mostPictures) return;
  throw tooLarge("these are too many pictures for one request", {
    expected: `at most ${mostPictures}`,
    found: `${count}`,
  });
}

/** Decodes base64 in either alphabet, possibly with line breaks or a prefix `data:image/jpeg;base64,`. */
function fromBase64(text: string, name: string): Uint8Array {
  const data = text.replace(/^data:[^,]{0,200},/, "").replace(/\s+/g, "");
  if (data === "" || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(data)) {
    throw badRequest("this is not base64", { found: name.slice(0, 200) });
  }
  // Memory of its own, which can go to another thread.
  return new Uint8Array(Buffer.from(data, "base64"));
}
