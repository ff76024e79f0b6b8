/**
 * Pixel loops in WebAssembly with SIMD, if available: built from wasm/, with the same bits as their TypeScript
 * versions. Pixels are copied in and out, which costs little compared with the loops.
 */

import type { Axis } from "./axis.ts";
import type { Resampling } from "./resample.ts";
import { areasOf, type Exports, kernels } from "./wasm.ts";

/** Bytes of source pixels copied in at a time, however large the picture is. */
const bandBytes = 2 ** 20;

/** Number of groups of four taps. */
const groupsOf = (axis: Axis): number => Math.ceil(axis.taps / 4);
const groupBytes = 16;

/** Bytes of an axis: `first`, `pairs` and the taps, as described in wasm/resample.ts. */
const axisBytes = (axis: Axis | undefined): number =>
  axis === undefined ? 0 : axis.first.length * (8 + groupsOf(axis) * groupBytes);

/** `first`, `pairs` and the taps, as words. */
const packed = new WeakMap<Axis, Int32Array>();

function pack(axis: Axis): Int32Array {
  const length = axis.first.length;
  const words = new Int32Array(axisBytes(axis) / 4);
  words.set(axis.first);
  for (let i = 0; i < length; i++) {
    const count = axis.count[i]!;
    words[length + i] = Math.ceil(count / 2);
    let word = 2 * length + (i * groupsOf(axis) * groupBytes) / 4;
    const end = i * axis.taps + count;
    for (let k = i * axis.taps; k < end; k += 4) {
      for (let pair = k; pair < k + 4; pair += 2) {
        const a = pair < end ? axis.weights[pair]! : 0;
        const b = pair + 1 < end ? axis.weights[pair + 1]! : 0;
        words[word++] = (a & 0xfff) | ((b & 0xfff) << 16);
        words[word++] = ((a >> 12) & 0xffff) | ((b >> 12) << 16);
      }
    }
  }
  return words;
}

/** @returns addresses of `first`, `pairs` and the taps, and the bytes of a pixel's taps */
function writeAxis({ memory }: Exports, axis: Axis, place: number): [number, number, number, number] {
  let words = packed.get(axis);
  if (words === undefined) {
    words = pack(axis);
    packed.set(axis, words);
  }
  new Int32Array(memory.buffer, place, words.length).set(words);
  const length = axis.first.length;
  return [place, place + 4 * length, place + 8 * length, groupsOf(axis) * groupBytes];
}

/** As `resample`. @returns false if the caller must use that */
export function resampleFast(task: Resampling, into: Uint8Array): boolean {
  const { source, stride, rows, width, height, horizontal, vertical, top } = task;
  const wasm = kernels();
  if (wasm === undefined || (horizontal === undefined && vertical === undefined)) return false;
  const rowBytes = 3 * width;
  // Kernels may write one byte beyond each row.
  const targetStride = rowBytes + 1;
  const bandRows = horizontal === undefined ? rows : Math.min(rows, Math.max(1, Math.floor(bandBytes / stride)));
  const between = horizontal === undefined ? 0 : rows + 3;
  const { take, grow } = areasOf(wasm);
  // Up to three extra rows may be read and written between the passes; they are not used.
  const band = take((bandRows + 3) * stride);
  const horizontalPlace = take(axisBytes(horizontal));
  const verticalPlace = take(axisBytes(vertical));
  const scratch = take(between * targetStride);
  const result = take(rowBytes * height);
  if (!grow()) return false;
  const memory = new Uint8Array(wasm.memory.buffer);
  /** Copies whole rows (the last may end with the picture) and returns where the first begins. */
  const copyRows = (from: number, count: number): number => {
    const begin = task.offset + from * stride;
    // Shared memory is copied byte by byte unless both sides have the same alignment.
    const shift = begin % 8;
    memory.set(source.subarray(begin - shift, Math.min(source.length, begin + count * stride)), band);
    return band + shift;
  };
  if (horizontal !== undefined) {
    const axis = writeAxis(wasm, horizontal, horizontalPlace);
    for (let row = 0; row < rows; row += bandRows) {
      const count = Math.min(bandRows, rows - row);
      wasm.resampleRows(
        copyRows(row, count),
        stride,
        count,
        ...axis,
        width,
        scratch + row * targetStride,
        targetStride,
      );
    }
  }
  if (vertical === undefined) {
    for (let y = 0; y < height; y++) {
      into.set(memory.subarray(scratch + y * targetStride, scratch + y * targetStride + rowBytes), y * rowBytes);
    }
    return true;
  }
  const [from, step] = horizontal === undefined ? [copyRows(0, rows), stride] : [scratch, targetStride];
  wasm.resampleColumns(from - top * step, step, ...writeAxis(wasm, vertical, verticalPlace), rowBytes, height, result);
  into.set(memory.subarray(result, result + rowBytes * height));
  return true;
}

/** The table is written to the kernels' memory each time: it has only 3 kB, and others use the same memory. */
export function normalizeFast(
  source: Uint8Array,
  width: number,
  height: number,
  table: Float32Array,
  /** Channel of each plane. */
  channels: readonly number[],
  into: Float32Array,
  mirror: boolean,
): boolean {
  const wasm = kernels();
  if (wasm === undefined) return false;
  const pixels = width * height;
  const { take, grow } = areasOf(wasm);
  const pixelsPlace = take(3 * pixels);
  const tablePlace = take(table.byteLength);
  const result = take(4 * channels.length * pixels);
  if (!grow()) return false;
  const { buffer } = wasm.memory;
  new Uint8Array(buffer).set(source.subarray(0, 3 * pixels), pixelsPlace);
  new Float32Array(buffer).set(table, tablePlace / 4);
  for (const [plane, channel] of channels.entries()) {
    const values = tablePlace + 1024 * plane;
    wasm.normalizePlane(pixelsPlace + channel, width, height, values, result + 4 * plane * pixels, mirror ? 1 : 0);
  }
  into.set(new Float32Array(buffer, result, channels.length * pixels));
  return true;
}
