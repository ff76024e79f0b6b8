/**
 * Baseline JPEG by WebAssembly: the pixels of libjpeg and so of Pillow, to the last bit, for a part of the picture alone,
 * and at a half, a quarter or an eighth of its size. The reduced sizes come out of the inverse DCT, as libjpeg's
 * `scale_denom` and Pillow's `draft` make them, and are both sharper and quicker than shrinking afterwards.
 */

import { type JpegComponent, type JpegScan, readJpeg } from "./jpeg-header.ts";
import type { Box, Picture } from "./resize.ts";
import { type Exports, kernels, layOut } from "./wasm.ts";

export type Reduction = 1 | 2 | 4 | 8;

export interface JpegPart {
  /** The picture at one `reduction`th of its size, rounded up; 1 by default. */
  readonly reduction?: Reduction;
  /** What is wanted of the reduced picture; the whole by default. */
  readonly box?: Box;
  /** Looks at the bits of the whole file, so that damage anywhere is noticed; false by default. */
  readonly isChecked?: boolean;
  /** The pixels are wanted only until the next are asked for: fresh memory takes longer to get than to fill. */
  readonly isBrief?: boolean;
}

/** The extent of a picture at a reduced size. */
export const reducedExtent = (extent: number, reduction: Reduction): number => Math.ceil(extent / reduction);

/** Room that loops may use before and behind rows, and below the stream. */
const MARGIN = 64;
const SLACK = 4096;
const HUFFMAN_BYTES = 16 + 256;

/** A component and its plane, which has the part of the picture that is decoded. */
interface Plane {
  readonly component: JpegComponent;
  /** The side of what a block becomes. */
  readonly side: number;
  /** How much wider and higher the picture is than this plane: 1 or 2. */
  readonly wider: number;
  readonly higher: number;
  /** Samples of the whole picture. */
  readonly width: number;
  readonly height: number;
  /** The first sample of the plane in the whole picture. */
  readonly left: number;
  readonly top: number;
  readonly stride: number;
  readonly bytes: number;
}

/**
 * The picture, or the part of it; nothing where it is of a kind that is left to others, where the file is not sound, or
 * where there is no WebAssembly with SIMD. Of the file's bits only those above the part's end are looked at, unless all are to be checked.
 * @throws RangeError where the box is not within the reduced picture
 */
export function decodeJpeg(bytes: Uint8Array, part: JpegPart = {}): Picture | undefined {
  const wasm = kernels();
  const scan = wasm && readJpeg(bytes);
  if (wasm === undefined || scan === undefined) return undefined;
  const { reduction = 1 } = part;
  const width = reducedExtent(scan.width, reduction);
  const height = reducedExtent(scan.height, reduction);
  const box = part.box ?? { left: 0, top: 0, width, height };
  if (!(box.left >= 0 && box.top >= 0 && box.left + box.width <= width && box.top + box.height <= height)) {
    throw new RangeError(`the box ${JSON.stringify(box)} is not within the ${width}×${height} picture`);
  }
  const layout = layoutOf(scan, reduction, box);
  try {
    return layout && run(wasm, bytes, scan, layout, { ...part, box });
  } catch {
    // Bits that lead out of the memory.
    return undefined;
  }
}

/** Larger pictures get memory of their own, which goes with them. */
const MOST_BRIEF_BYTES = 16 * 2 ** 20;
let brief = new Uint8Array(0);

function memoryFor(bytes: number, isBrief: boolean): Uint8Array {
  if (!isBrief || bytes > MOST_BRIEF_BYTES) return new Uint8Array(bytes);
  if (brief.length < bytes) brief = new Uint8Array(bytes);
  return brief.subarray(0, bytes);
}

interface Layout {
  /** Units in a row of the whole picture, and in all of it. */
  readonly across: number;
  readonly units: number;
  /** The units that are wanted; the last ones exclusive. */
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly planes: readonly Plane[];
}

function layoutOf({ width, height, components }: JpegScan, reduction: Reduction, box: Box): Layout | undefined {
  const side = 8 / reduction;
  const most = { across: components[0]!.across, down: components[0]!.down };
  const unit = { width: most.across * side, height: most.down * side };
  const across = Math.ceil(width / (8 * most.across));
  const units = across * Math.ceil(height / (8 * most.down));
  // Two pixels around: what colours are interpolated from.
  const left = Math.floor(Math.max(0, box.left - 2) / unit.width);
  const top = Math.floor(Math.max(0, box.top - 2) / unit.height);
  const right = Math.min(across, Math.ceil((box.left + box.width + 2) / unit.width));
  const bottom = Math.min(units / across, Math.ceil((box.top + box.height + 2) / unit.height));
  const planes = components.map((component): Plane => {
    // Colours that have half of the samples both ways are reduced by half as much, if at all (`jdmaster.c`).
    let own = side;
    while (
      own < 8 &&
      most.across * side >= 2 * component.across * own &&
      most.down * side >= 2 * component.down * own
    ) {
      own *= 2;
    }
    const stride = (right - left) * component.across * own + 2 * MARGIN;
    return {
      component,
      side: own,
      wider: unit.width / (component.across * own),
      higher: unit.height / (component.down * own),
      width: Math.ceil((width * component.across * own) / (8 * most.across)),
      height: Math.ceil((height * component.down * own) / (8 * most.down)),
      left: left * component.across * own,
      top: top * component.down * own,
      stride,
      bytes: stride * (bottom - top) * component.down * own,
    };
  });
  // libjpeg repeats samples there, in place of interpolating.
  if (planes.some(({ wider, width }) => wider > 1 && (width <= 2 || side === 1))) return undefined;
  return { across, units, left, right, top, bottom, planes };
}

function run(
  wasm: Exports,
  bytes: Uint8Array,
  scan: JpegScan,
  layout: Layout,
  { box, isChecked = false, isBrief = false }: JpegPart & { readonly box: Box },
): Picture | undefined {
  const { components, interval } = scan;
  const { units, planes } = layout;
  const intervals = interval === 0 ? 1 : Math.ceil(units / interval);
  const length = bytes.length - scan.start;
  const rowBytes = box.width + 2 * MARGIN;
  const places = layOut(wasm, [
    ...[length, SLACK + length, 4 * (intervals + 2), 4 * 64, HUFFMAN_BYTES],
    ...[128 * 3, 2 * rowBytes, 3 * box.width * box.height],
    ...planes.map((plane) => plane.bytes),
  ]);
  if (places === undefined) return undefined;
  const [source, stream, segments, job, counts, steps, rows, result, ...planePlaces] = places as [
    ...[number, number, number, number, number, number, number, number],
    ...number[],
  ];
  const memory = new Uint8Array(wasm.memory.buffer);
  memory.set(bytes.subarray(scan.start), source);
  const top = stream + SLACK + length;
  const end = wasm.unstuff(source, source + length, top, segments, intervals);
  // Another scan would follow, or something else that is not usual.
  if (end === 0 || memory[end + 1] !== 0xd9) return undefined;

  const words = [components.length, layout.across, interval === 0 ? units : interval];
  words.push(layout.left, layout.right, layout.top, layout.bottom);
  words.push(isChecked ? units / layout.across : layout.bottom, top, segments);
  words.push(box.left, box.top, box.width, box.height, result, rows);
  for (const [i, plane] of planes.entries()) {
    const { component } = plane;
    const [dc, ac] = [component.dc, component.ac + 16].map((number) => {
      memory.fill(0, counts, counts + HUFFMAN_BYTES);
      memory.set(scan.huffman.get(number)!, counts);
      return wasm.tableOf((number >> 2) | (number & 3), counts);
    }) as [number, number];
    if (dc === 0 || ac === 0) return undefined;
    new Int16Array(memory.buffer, steps + 128 * i, 64).set(scan.steps.get(component.steps)!);
    words.push(component.across, component.down, dc, ac, steps + 128 * i);
    words.push(planePlaces[i]! + MARGIN, plane.stride, plane.side, plane.wider, plane.higher);
    words.push(plane.left, plane.top, plane.bytes / plane.stride, plane.width, plane.height);
  }
  new Int32Array(memory.buffer, job, words.length).set(words);
  if (wasm.decodeScan(job) === 0) return undefined;
  wasm.colourPart(job, MARGIN);
  const pixelBytes = 3 * box.width * box.height;
  const data = memoryFor(pixelBytes, isBrief);
  data.set(memory.subarray(result, result + pixelBytes));
  return { width: box.width, height: box.height, data };
}
