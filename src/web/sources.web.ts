/** Prepares a page's weights and pictures for sending to the worker. */

import { causeText, SenetError } from "../errors.ts";
import type { RuntimeFiles } from "../executors/select.web.ts";
import { absolute } from "./address.web.ts";
import type { NamedPicture, SentPicture, SentSource } from "./calls.web.ts";
import { isObject, wrong } from "./given.web.ts";

/** An address (relative to the page), a user's file, bytes, or a response of `fetch`. */
export type WeightSource = string | URL | Blob | ArrayBuffer | ArrayBufferView | Response;

/** An element of the page. Its pixels are used as shown: rotated, and in the screen's colours. */
export type ShownPicture = HTMLImageElement | HTMLCanvasElement | OffscreenCanvas | HTMLVideoElement;

/** A user's file, its bytes, pixels, an element of the page, or a canvas's image data. */
export type PlainPicture = SentPicture | ArrayBuffer | ShownPicture;

/** A picture with or without a name. */
export type PictureSource = PlainPicture | { readonly name: string; readonly picture: PlainPicture };

/** Addresses of ONNX Runtime for browsers. `wasm` can be omitted if it is next to the module. */
export interface RuntimeAddress {
  readonly module: string | URL;
  readonly wasm?: string | URL | undefined;
}

const isFile = (blob: Blob): blob is File => "name" in blob;

const isAddress = (value: unknown): value is string | URL => typeof value === "string" || value instanceof URL;

/** @throws SenetError `usage` where the source is of another type; `io` where a response is not a file */
export async function sentSource(source: WeightSource): Promise<SentSource> {
  if (isAddress(source)) {
    try {
      return { kind: "address", address: absolute(source) };
    } catch (cause) {
      throw new SenetError("usage", "this is not an address of a weight file", { where: String(source), cause });
    }
  }
  if (source instanceof Response) return (await import("./response.web.ts")).sentResponse(source);
  if (source instanceof Blob) return { kind: "blob", blob: source, name: isFile(source) ? source.name : "weights" };
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) {
    return { kind: "blob", blob: new Blob([source as BufferSource]), name: "weights" };
  }
  throw wrong("load", "this is nothing that weights are read from", "an address, a File, bytes or a Response", source);
}

/** @throws SenetError `usage` */
export function sentRuntime(runtime: RuntimeAddress | undefined): RuntimeFiles | undefined {
  if (runtime === undefined) return undefined;
  const { module, wasm } = runtime;
  if (!isAddress(module)) throw wrong("runtime.module", "this is not an address of ONNX Runtime", "an address", module);
  if (wasm === undefined) return { module: absolute(module) };
  if (!isAddress(wasm)) throw wrong("runtime.wasm", "this is not an address of its WebAssembly", "an address", wasm);
  return { module: absolute(module), wasm: absolute(wasm) };
}

/** Pictures to send, and the bitmaps among them that were created for this. */
export interface SentPictures {
  readonly pictures: readonly NamedPicture[];
  readonly made: readonly ImageBitmap[];
}

/**
 * Copies bytes and pixels at once; only elements of the page take a moment.
 * @param usual gives the default name of the picture at an index
 * @throws SenetError `usage` where one is not a picture; `data` where an element shows nothing
 */
export function sentPictures(
  sources: Iterable<PictureSource>,
  usual: (place: number) => string = () => "picture",
): SentPictures | Promise<SentPictures> {
  const all = Array.from(sources, (source, place) => {
    const isNamed = isObject(source) && "picture" in source;
    const plain = isNamed ? source.picture : source;
    const own = isNamed ? source.name : plain instanceof Blob && isFile(plain) ? plain.name : undefined;
    return { name: typeof own === "string" ? own : usual(place), plain };
  });
  const plain = all.map(({ name, plain }) =>
    isShown(plain) ? undefined : { name, picture: sentPicture(plain, name) },
  );
  const asSent = (made: readonly (ImageBitmap | undefined)[]): SentPictures => ({
    pictures: all.map(({ name }, place) => plain[place] ?? { name, picture: made[place]! }),
    made: made.filter((bitmap) => bitmap !== undefined),
  });
  if (plain.every((picture) => picture !== undefined)) return asSent([]);
  return Promise.all(all.map(({ name, plain }) => (isShown(plain) ? bitmapOf(plain, name) : undefined))).then(asSent);
}

/** Checked by name, since workers, where this code may also run, have no elements. */
const shownKinds = ["HTMLImageElement", "HTMLCanvasElement", "HTMLVideoElement", "OffscreenCanvas"] as const;

const isShown = (value: unknown): value is ShownPicture =>
  shownKinds.some((name) => name in globalThis && value instanceof globalThis[name]);

function sentPicture(picture: SentPicture | ArrayBuffer, name: string): SentPicture {
  if (picture instanceof ArrayBuffer) return new Uint8Array(picture);
  const isTaken = [Blob, Uint8Array, ImageData, ImageBitmap].some((kind) => picture instanceof kind);
  if (isTaken) return picture;
  if (isObject(picture) && "data" in picture && "width" in picture && "height" in picture) {
    const { data } = picture as { readonly data: unknown };
    if (data instanceof Uint8Array) return picture;
    if (data instanceof Uint8ClampedArray) {
      return { ...picture, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
    }
    throw wrong(name, "these are no pixels", "`data`: a Uint8Array of three bytes a pixel", data);
  }
  const expected = "a File, bytes, pixels ({ width, height, data }), an <img>, a <canvas>, a <video> or an ImageBitmap";
  throw wrong(name, "this is no picture", expected, picture);
}

/** The element's current picture. */
async function bitmapOf(shown: ShownPicture, name: string): Promise<ImageBitmap> {
  try {
    if ("decode" in shown) await shown.decode();
    return await createImageBitmap(shown);
  } catch (cause) {
    throw new SenetError("data", "this element shows no picture, or not yet", {
      where: name,
      found: causeText(cause),
      hint: "wait until it is loaded, or hand in its file",
      cause,
    });
  }
}
