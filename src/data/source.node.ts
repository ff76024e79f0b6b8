/** Reads pictures, wherever their bytes are. */

import { encodePng, type OpenedPicture, openBytes, openPicture } from "../images/decode.node.ts";
import { PictureContainer, type Room, readPicture } from "../images/read.node.ts";
import type { Picture } from "../images/resize.ts";
import type { Source } from "./dataset.ts";

/** Limit on open files: data sets of a thousand archives are common, and several threads read them. */
const mostOpen = 32;

type Sources = { readonly [K in Source["kind"]]: Extract<Source, { kind: K }> };

export class SourceReader {
  /** Ordered by last use, most recent last. */
  readonly #open = new Map<string, PictureContainer>();
  readonly #room: Room | undefined;

  /** @param room memory for the bytes of opened pictures; default: newly allocated */
  constructor(room?: Room) {
    this.#room = room;
  }

  /** Reads a picture's bytes without decoding them. @throws SenetError `data` */
  open(source: Source): OpenedPicture {
    return this.#openers[source.kind](source as never);
  }

  readonly #openers: {
    readonly [K in Source["kind"]]: (source: Sources[K]) => OpenedPicture;
  } = {
    file: ({ file }) => openPicture(file, this.#room),
    range: ({ file, start, length }) => openBytes(this.#read(file, start, length, this.#room), file),
    pixels: (source) => {
      const picture = pictureOf(
        source,
        this.#read(source.file, source.start, 3 * source.width * source.height, this.#room),
      );
      return { bytes: 2 * picture.data.length, size: picture, decode: async () => picture, view: undefined };
    },
  };

  #read(file: string, start: number, length: number, room?: Room): Uint8Array {
    let container = this.#open.get(file);
    if (container === undefined) {
      container = new PictureContainer(file);
      for (const [path, oldest] of this.#open) {
        if (this.#open.size < mostOpen) break;
        oldest.close();
        this.#open.delete(path);
      }
    }
    this.#open.delete(file);
    this.#open.set(file, container);
    return container.read(start, length, room);
  }

  /** A picture as a file's bytes: as stored, or as PNG if it is raw pixels. @throws SenetError `data` */
  async encoded(source: Source): Promise<Uint8Array> {
    if (source.kind === "file") return readPicture(source.file);
    if (source.kind === "range") return this.#read(source.file, source.start, source.length);
    return encodePng(await this.open(source).decode());
  }

  close(): void {
    for (const container of this.#open.values()) container.close();
    this.#open.clear();
  }
}

/** Interleaves planes to pixels. */
function pictureOf({ width, height }: Sources["pixels"], planes: Uint8Array): Picture {
  const pixels = width * height;
  const data = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++) {
    data[3 * i] = planes[i]!;
    data[3 * i + 1] = planes[pixels + i]!;
    data[3 * i + 2] = planes[2 * pixels + i]!;
  }
  return { width, height, data };
}
