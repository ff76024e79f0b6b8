/** Augmentation loops in WebAssembly, as in kernels.ts. */

import type { AffinePass, AffineSource } from "./affine-pass.ts";
import { areasOf, kernels } from "./wasm.ts";

/** As a pass of `resampleAffine`. @returns false if the caller must do it in TypeScript */
export function resampleAffineFast(
  source: AffineSource,
  pass: AffinePass,
  count: number,
  [red, green, blue]: readonly [number, number, number],
  target: Uint8Array,
): boolean {
  const wasm = kernels();
  if (wasm === undefined) return false;
  const { taps, first, weights } = pass.kernel;
  const bytes = 3 * count * Math.max(0, pass.end - pass.first);
  const { take, grow } = areasOf(wasm);
  const pixels = take(source.data.length);
  const firstPlace = take(first.byteLength);
  const weightsPlace = take(weights.byteLength);
  const result = take(bytes);
  if (!grow()) return false;
  const { buffer } = wasm.memory;
  new Uint8Array(buffer).set(source.data, pixels);
  new Int32Array(buffer).set(first, firstPlace / 4);
  new Int32Array(buffer).set(weights, weightsPlace / 4);
  wasm.resampleAffine(
    ...([pixels + source.start, source.lineStride, source.itemStride, source.tapStride, source.taps] as const),
    ...([pass.step, pass.perLine, pass.start, pass.first, pass.end, count] as const),
    ...([firstPlace, weightsPlace, taps, red | (green << 8) | (blue << 16), result] as const),
  );
  target.set(new Uint8Array(buffer, result, bytes));
  return true;
}

/** As `jitterPixels`. @returns false if the caller must do it in TypeScript */
export function jitterFast(data: Uint8Array, amplitude: number, [key, second]: readonly [number, number]): boolean {
  const wasm = kernels();
  if (wasm === undefined) return false;
  const { take, grow } = areasOf(wasm);
  const place = take(data.length);
  if (!grow()) return false;
  const memory = new Uint8Array(wasm.memory.buffer, place, data.length);
  memory.set(data);
  wasm.jitter(place, data.length, amplitude, key, second);
  data.set(memory);
  return true;
}
