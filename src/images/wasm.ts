/** The WebAssembly module built from wasm/, compiled on first use, and its memory. */

import { inflateSound } from "./inflate.ts";
import { deflated, size } from "./kernels.generated.ts";

/** The exports of wasm/index.ts, where the arguments are documented. Addresses and sizes in bytes. */
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

/** The parts of the WebAssembly API that are used; TypeScript only declares them for browsers. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Record<string, unknown> };
}

let isOn = true;

/** Turns the kernels off or on, for tests that compare. */
export function useKernels(on: boolean): void {
  isOn = on;
}

let loaded: Exports | undefined | null = null;

/** The module, compiled on first use; undefined without WebAssembly or SIMD. */
export function kernels(): Exports | undefined {
  if (!isOn) return undefined;
  if (loaded === null) {
    const api = (globalThis as unknown as { WebAssembly?: WebAssemblyApi }).WebAssembly;
    try {
      const bytes = Uint8Array.from(atob(deflated), (character) => character.charCodeAt(0));
      const module = api && new api.Module(inflateSound(bytes, size));
      loaded = module && (new api.Instance(module).exports as unknown as Exports);
    } catch {
      // A page's security policy may also forbid it.
      loaded = undefined;
    }
  }
  return loaded;
}

/** Whether the kernels are available. */
export const hasKernels = (): boolean => kernels() !== undefined;

/** Larger tasks are left to TypeScript: WebAssembly memory never shrinks. */
const mostBytes = 64 * 2 ** 20;

const pageBytes = 2 ** 16;

/** Loops may access this many bytes beyond their areas. */
const marginBytes = 64;

/**
 * Areas of the module's memory for one task, taken one after another; the next task has the same memory. An area may be
 * used once `grow` has made the memory large enough for all; it returns false if that would be too much.
 */
export function areasOf({ memory, heap }: Exports): { take(bytes: number): number; grow(): boolean } {
  let end = heap.value;
  return {
    take(bytes) {
      const place = Math.ceil(end / marginBytes) * marginBytes;
      end = place + bytes + marginBytes;
      return place;
    },
    grow() {
      const missing = end - memory.buffer.byteLength;
      try {
        if (missing > 0 && end <= mostBytes) memory.grow(Math.ceil(missing / pageBytes));
      } catch {
        return false;
      }
      return end <= mostBytes;
    },
  };
}
