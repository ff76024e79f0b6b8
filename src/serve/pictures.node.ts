/** The pictures of a request, however they are sent. */

import { SenetError } from "../errors.ts";
import type { Fetcher } from "../pull/bytes.node.ts";
import { type Part, partsOf } from "./form.node.ts";
import { checkCount, type PictureLimits, unnamed } from "./json-pictures.node.ts";
import { timedOut, type Wish } from "./pool.node.ts";
import type { BodyReader } from "./reader.node.ts";
import { badRequest, Refusal, tooLarge } from "./refusal.ts";
import type { SentPicture } from "./work.node.ts";

export interface SentRequest {
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
  readonly query: unknown;
}

export interface SentPictures {
  readonly pictures: readonly SentPicture[];
  /** Parameters from the query, and from the form or JSON with the pictures. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface PictureSettings extends PictureLimits {
  readonly reader: BodyReader;
  /** Downloads pictures given by addresses; undefined if that is not allowed. */
  readonly fetcher: Fetcher | undefined;
}

/** @throws Refusal 400, 413, 415, 422 */
export async function picturesOf(request: SentRequest, settings: PictureSettings, wish: Wish): Promise<SentPictures> {
  const { contentType = "", body } = request;
  const query = request.query as Readonly<Record<string, unknown>>;
  const [type] = contentType.toLowerCase().split(";", 1);
  if (body.length === 0) throw badRequest("the request has no body", { expected: "a picture" });
  const kind = type!.trim();
  if (kind === "application/json") return fromJson(body, query, settings, wish);
  if (kind === "multipart/form-data") return fromForm(contentType, body, query, settings);
  // curl's default type for --data-binary.
  const isRaw = kind === "" || kind.startsWith("image/") || kind.endsWith("/octet-stream");
  if (isRaw || kind === "application/x-www-form-urlencoded") {
    return { pictures: [{ name: unnamed(0, 1), bytes: body }], options: query };
  }
  throw new Refusal(415, "unsupported_media_type", "pictures are not sent as this type", {
    expected: "image/*, application/octet-stream, multipart/form-data or application/json",
    found: contentType.slice(0, 200),
  });
}

async function fromJson(
  body: Uint8Array,
  query: Readonly<Record<string, unknown>>,
  settings: PictureSettings,
  wish: Wish,
): Promise<SentPictures> {
  const { pictures: listed, options } = await settings.reader.pictures(body, limitsOf(settings), wish);
  const pictures: SentPicture[] = [];
  let length = 0;
  // Sequentially, since downloads must also fit into a body's limit.
  for (const picture of listed) {
    const bytes = "bytes" in picture ? picture.bytes : await fetched(picture.url, settings, wish);
    length += bytes.length;
    if (length > settings.bodyBytes)
      throw tooLarge("the pictures are too large together", { expected: `at most ${settings.bodyBytes} bytes` });
    pictures.push({ name: picture.name, bytes });
  }
  return { pictures, options: { ...query, ...options } };
}

/** What goes to another thread. */
const limitsOf = ({ mostPictures, bodyBytes }: PictureLimits): PictureLimits => ({ mostPictures, bodyBytes });

function fromForm(
  contentType: string,
  body: Uint8Array,
  query: Readonly<Record<string, unknown>>,
  settings: PictureSettings,
): SentPictures {
  const parts = partsOf(contentType, body);
  const files = parts.filter(isFile);
  if (files.length === 0) {
    throw badRequest("the form has no file", {
      expected: "at least one part with a filename or the type of a picture",
      hint: "curl -F picture=@cat.jpg",
    });
  }
  checkCount(files.length, settings);
  const fields = parts.filter((part) => !isFile(part));
  const pictures = files.map(({ filename, bytes }, i) => ({
    name: filename?.slice(0, 1000) || unnamed(i, files.length),
    bytes,
  }));
  return {
    pictures,
    options: { ...query, ...Object.fromEntries(fields.map(({ name, bytes }) => [name, `${bytes}`])) },
  };
}

const isFile = ({ filename, type }: Part): boolean =>
  filename !== undefined || /^(?:image\/|\w+\/octet-stream)/.test(type);

async function fetched(url: string, { fetcher }: PictureSettings, { signal, deadline }: Wish): Promise<Uint8Array> {
  if (fetcher === undefined) {
    throw badRequest("pictures by their address are not fetched here", { expected: "base64, or the picture itself" });
  }
  const late = AbortSignal.timeout(Math.max(1, Math.ceil(deadline - performance.now())));
  try {
    return await fetcher.fetch(url, AbortSignal.any([signal, late]));
  } catch (error) {
    signal.throwIfAborted();
    if (late.aborted) throw timedOut(1);
    if (!(error instanceof SenetError && error.code === "data")) throw error;
    const { found } = error.details;
    throw new Refusal(422, "unusable_picture", error.message.split("\n")[0]!, {
      ...(found !== undefined && { found: [found].flat().join("; ") }),
    });
  }
}
