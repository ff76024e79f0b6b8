/**
 * The sources of a data set's pictures in memory that threads share, so that a million pictures cost each thread
 * nothing.
 */

import { type Sample, type Source, sourceOf } from "./dataset.ts";

/** Columns per sample. A whole file has length −1; only raw pixels have a width. */
const Place = { path: 0, start: 1, length: 2, width: 3, size: 4 } as const;

/** May be sent to threads: clones share the memory. */
export interface Sources {
  /** Paths in UTF-8, each followed by a NUL. */
  readonly text: Uint8Array<SharedArrayBuffer>;
  /** Start of each path in `text`, and the end of the last. */
  readonly bounds: Float64Array<SharedArrayBuffer>;
  readonly places: Float64Array<SharedArrayBuffer>;
}

export function packSources(samples: readonly Sample[]): Sources {
  const paths: string[] = [];
  // Only files with many pictures are looked up; other files occur once.
  const containers = new Map<string, number>();
  const places = new Float64Array(new SharedArrayBuffer(samples.length * Place.size * 8));
  for (const [i, sample] of samples.entries()) {
    const source = sourceOf(sample);
    const path = containers.get(source.file) ?? paths.length;
    if (path === paths.length) paths.push(source.file);
    if (source.kind !== "file") containers.set(source.file, path);
    const { start, length, width } = extentOf(source);
    const place = i * Place.size;
    places[place + Place.path] = path;
    places[place + Place.start] = start;
    places[place + Place.length] = length;
    places[place + Place.width] = width;
  }
  return { ...packTexts(paths), places };
}

/**
 * Encodes many paths at a time, with a NUL (which no path contains) after each: a million calls would take ten seconds.
 */
function packTexts(texts: readonly string[]): Pick<Sources, "text" | "bounds"> {
  const encoder = new TextEncoder();
  const chunks: Uint8Array[] = [];
  for (let i = 0; i < texts.length; i += textsAtOnce) {
    chunks.push(
      encoder.encode(
        texts
          .slice(i, i + textsAtOnce)
          .map((text) => `${text}\0`)
          .join(""),
      ),
    );
  }
  const text = new Uint8Array(new SharedArrayBuffer(chunks.reduce((sum, { length }) => sum + length, 0)));
  const bounds = new Float64Array(new SharedArrayBuffer((texts.length + 1) * 8));
  let at = 0;
  let count = 0;
  for (const chunk of chunks) {
    text.set(chunk, at);
    for (let end = chunk.indexOf(0); end >= 0; end = chunk.indexOf(0, end + 1)) bounds[++count] = at + end + 1;
    at += chunk.length;
  }
  return { text, bounds };
}

const textsAtOnce = 4096;

function extentOf(source: Source): { start: number; length: number; width: number } {
  if (source.kind === "file") return { start: 0, length: -1, width: 0 };
  if (source.kind === "range") return { start: source.start, length: source.length, width: 0 };
  return { start: source.start, length: 3 * source.width * source.height, width: source.width };
}

/** The source of the sample at this index. */
export function sourceAt({ text, bounds, places }: Sources, sample: number): Source {
  const place = sample * Place.size;
  const path = places[place + Place.path]!;
  const start = places[place + Place.start]!;
  const length = places[place + Place.length]!;
  const width = places[place + Place.width]!;
  // A copy: decoders refuse shared memory.
  const file = new TextDecoder().decode(text.slice(bounds[path], bounds[path + 1]! - 1));
  if (length < 0) return { kind: "file", file };
  return width === 0
    ? { kind: "range", file, start, length }
    : { kind: "pixels", file, start, width, height: length / 3 / width };
}
