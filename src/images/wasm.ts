/** The module of wasm/: compiled when it is first asked for, and its memory. */

import { inflateSound } from "./inflate.ts";
import { deflated, size } from "./kernels.generated.ts";

/** What wasm/index.ts exports; its files say what the arguments are. Addresses and sizes in bytes. */
export interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly heap: { readonly value: number };
  resampleRows(
    ...args: [
      ...[source: number, stride: number, rows: number],
      ...[first: number, pairs: number, taps: number, tapBytes: number],
      ...[width: number, target: number, targetStride: number],
    ]
  ): void;
  resampleColumns(
    ...args: [
      ...[source: number, stride: number, first: number, pairs: number, taps: number, tapBytes: number],
      ...[rowBytes: number, height: number, target: number],
    ]
  ): void;
  resampleAffine(
    ...args: [
      ...[source: number, lineStride: number, itemStride: number, tapStride: number, limit: number],
      ...[step: number, perLine: number, start: number, line: number, end: number, count: number],
      ...[first: number, weights: number, taps: number, fill: number, target: number],
    ]
  ): void;
  normalizePlane(
    ...args: [source: number, width: number, height: number, table: number, target: number, mirror: number]
  ): void;
  jitter(data: number, length: number, amplitude: number, key: number, second: number): void;
  tableOf(slot: number, counts: number): number;
  unstuff(source: number, end: number, top: number, segments: number, most: number): number;
  decodeScan(job: number): number;
  colourPart(job: number, margin: number): void;
}

/** The part of WebAssembly's own interface that is used; TypeScript knows it only of browsers. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Record<string, unknown> };
}

let isOn = true;

/** Turns the kernels off, or on again, for tests that compare. */
export function useKernels(on: boolean): void {
  isOn = on;
}

let loaded: Exports | undefined | null = null;

/** Compiled when first asked for; undefined where there is no WebAssembly, or it has no SIMD. */
export function kernels(): Exports | undefined {
  if (!isOn) return undefined;
  if (loaded === null) {
    const api = (globalThis as unknown as { WebAssembly?: WebAssemblyApi }).WebAssembly;
    try {
      const bytes = Uint8Array.from(atob(deflated), (character) => character.charCodeAt(0));
      const module = api && new api.Module(inflateSound(bytes, size));
      loaded = module && (new api.Instance(module).exports as unknown as Exports);
    } catch {
      // A page's rules may forbid it, too.
      loaded = undefined;
    }
  }
  return loaded;
}

/** Whether pictures are resampled and normalised by the kernels here. */
export const hasKernels = (): boolean => kernels() !== undefined;

/** What would take more memory than this is left to others: memory is never given back. */
const MOST_BYTES = 64 * 2 ** 20;

const PAGE = 2 ** 16;

/** Loops may read and write so many bytes beyond what is theirs. */
const MARGIN = 64;

/** Where areas of these sizes in bytes lie; memory grows where it must. Undefined where that would be too much. */
export function layOut({ memory, heap }: Exports, sizes: readonly number[]): number[] | undefined {
  let end = heap.value;
  const places = sizes.map((size) => {
    const place = Math.ceil(end / MARGIN) * MARGIN;
    end = place + size + MARGIN;
    return place;
  });
  if (end > MOST_BYTES) return undefined;
  const missing = end - memory.buffer.byteLength;
  try {
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  } catch {
    return undefined;
  }
  return places;
}
