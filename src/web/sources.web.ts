/** Weights and pictures as a page has them, made ready to go to the worker. */

import { SenetError } from "../errors.ts";
import type { RuntimeFiles } from "../executors/select.web.ts";
import type { NamedPicture, SentPicture, SentSource } from "./calls.web.ts";

/** An address (relative to the page), a file of the user's, or bytes. */
export type WeightSource = string | URL | Blob | Uint8Array;

/** A file of the user's, the bytes of one, pixels, or what a canvas gives; with a name of one's own or without. */
export type PictureSource = SentPicture | { readonly name: string; readonly picture: SentPicture };

/** Where ONNX Runtime for browsers is. `wasm` may be left out where it stands beside the module. */
export interface RuntimeAddress {
  readonly module: string | URL;
  readonly wasm?: string | URL | undefined;
}

const isFile = (blob: Blob): blob is File => "name" in blob;

/** A worker has a base address of its own. */
export const absolute = (address: string | URL): string => new URL(address, document.baseURI).href;

export function sentSource(source: WeightSource): SentSource {
  if (typeof source === "string" || source instanceof URL) {
    try {
      return { kind: "address", address: absolute(source) };
    } catch (cause) {
      throw new SenetError("usage", "this is no address of a weight file", { where: String(source), cause });
    }
  }
  if (source instanceof Blob) return { kind: "blob", blob: source, name: isFile(source) ? source.name : "weights" };
  return { kind: "blob", blob: new Blob([source as Uint8Array<ArrayBuffer>]), name: "weights" };
}

export const sentRuntime = (runtime: RuntimeAddress | undefined): RuntimeFiles | undefined =>
  runtime && {
    module: absolute(runtime.module),
    ...(runtime.wasm !== undefined && { wasm: absolute(runtime.wasm) }),
  };

/** @param usual what it is called where it has no name */
export function namedPicture(source: PictureSource, usual = "picture"): NamedPicture {
  if ("picture" in source) return source;
  return { name: source instanceof Blob && isFile(source) ? source.name : usual, picture: source };
}
