/** Where the pictures of a data set are, in memory that threads share: a million of them cost a thread nothing. */

import { type Sample, type Source, sourceOf } from "./dataset.ts";

/** By sample. A file as a whole has the length −1; only pixels have a width. */
const Place = { path: 0, start: 1, length: 2, width: 3, size: 4 } as const;

/** Structured clones of this share the memory. */
export interface Sources {
  /** Paths in UTF-8, one after the other. */
  readonly text: Uint8Array<SharedArrayBuffer>;
  /** By path: where it begins in `text`; and the end of the last. */
  readonly bounds: Float64Array<SharedArrayBuffer>;
  readonly places: Float64Array<SharedArrayBuffer>;
}

export function packSources(samples: readonly Sample[]): Sources {
  const paths = new Map<string, number>();
  const places = new Float64Array(new SharedArrayBuffer(samples.length * Place.size * 8));
  for (const [i, sample] of samples.entries()) {
    const source = sourceOf(sample);
    const path = paths.get(source.file) ?? paths.size;
    paths.set(source.file, path);
    const { start, length, width } = extentOf(source);
    places.set([path, start, length, width], i * Place.size);
  }
  const encoder = new TextEncoder();
  const encoded = [...paths.keys()].map((path) => encoder.encode(path));
  const bounds = new Float64Array(new SharedArrayBuffer((encoded.length + 1) * 8));
  for (const [i, { length }] of encoded.entries()) bounds[i + 1] = bounds[i]! + length;
  const text = new Uint8Array(new SharedArrayBuffer(bounds[encoded.length]!));
  for (const [i, bytes] of encoded.entries()) text.set(bytes, bounds[i]);
  return { text, bounds, places };
}

function extentOf(source: Source): { start: number; length: number; width: number } {
  if (source.kind === "file") return { start: 0, length: -1, width: 0 };
  if (source.kind === "range") return { start: source.start, length: source.length, width: 0 };
  return { start: source.start, length: 3 * source.width * source.height, width: source.width };
}

/** Of the sample at this place. */
export function sourceAt({ text, bounds, places }: Sources, sample: number): Source {
  const [path, start, length, width] = places.subarray(sample * Place.size, (sample + 1) * Place.size) as unknown as [
    ...[path: number, start: number, length: number, width: number],
  ];
  // A copy: decoders refuse shared memory.
  const file = new TextDecoder().decode(text.slice(bounds[path], bounds[path + 1]));
  if (length < 0) return { kind: "file", file };
  return width === 0
    ? { kind: "range", file, start, length }
    : { kind: "pixels", file, start, width, height: length / 3 / width };
}
