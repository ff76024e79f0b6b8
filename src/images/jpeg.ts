/**
 * Baseline JPEG in WebAssembly: the pixels of libjpeg, and so of Pillow, to the last bit; also for a part of the
 * picture, and at a half, a quarter or an eighth of its size. Reduced sizes come out of the inverse DCT, like libjpeg's
 * `scale_denom` and Pillow's `draft`, and are both sharper and faster than shrinking afterwards.
 */

import { type JpegComponent, type JpegScan, readJpeg } from "./jpeg-header.ts";
import { type Box, checkBox, type Picture } from "./resize.ts";
import { areasOf, type Exports, kernels } from "./wasm.ts";

export type Reduction = 1 | 2 | 4 | 8;

export interface JpegPart {
  /** Divisor of the size, which is rounded up; default 1. */
  readonly reduction?: Reduction;
  /** The part of the reduced picture to decode; default: all. */
  readonly box?: Box;
  /** Check the bits of the whole file, so that damage anywhere is noticed; default false. */
  readonly isChecked?: boolean;
  /**
   * The pixels are only needed until the next call, so that memory can be reused: allocating it takes longer than
   * filling it.
   */
  readonly isBrief?: boolean;
}

/** Size of a reduced picture along one axis. */
export const reducedExtent = (extent: number, reduction: Reduction): number => Math.ceil(extent / reduction);

/** Margin that loops may use before and after rows, and below the stream. */
const marginBytes = 64;
const slack = 4096;
const huffmanBytes = 16 + 256;
const stepsBytes = 128;
/** Words of wasm/jpeg/job.ts before its components, and for each of them. */
const jobWords = 16;
const planeWords = 15;

/** A component and its plane, which covers the decoded part of the picture. */
interface Plane {
  readonly component: JpegComponent;
  /** Side of a decoded block. */
  readonly side: number;
  /** Factors from this plane's size to the picture's: 1 or 2. */
  readonly wider: number;
  readonly higher: number;
  /** Size of the whole picture in samples. */
  readonly width: number;
  readonly height: number;
  /** Position of the plane's first sample in the whole picture. */
  readonly left: number;
  readonly top: number;
  readonly stride: number;
  readonly bytes: number;
}

/**
 * Decodes the picture, or a part; `undefined` if the file is of a kind left to other decoders or damaged, or there is
 * no WebAssembly with SIMD. Only bits up to the part's end are read, unless all are to be checked.
 * @throws RangeError where the box is outside the reduced picture
 */
export function decodeJpeg(bytes: Uint8Array, part: JpegPart = {}): Picture | undefined {
  const wasm = kernels();
  const scan = wasm && readJpeg(bytes);
  if (wasm === undefined || scan === undefined) return undefined;
  const { reduction = 1 } = part;
  const width = reducedExtent(scan.width, reduction);
  const height = reducedExtent(scan.height, reduction);
  const box = part.box ?? { left: 0, top: 0, width, height };
  checkBox({ width, height }, box);
  const layout = layoutOf(scan, reduction, box);
  try {
    return layout && run(wasm, bytes, scan, layout, { ...part, box });
  } catch {
    // Damaged bits led outside the memory.
    return undefined;
  }
}

/** Larger pictures get their own memory, which is freed with them. */
const mostBriefBytes = 16 * 2 ** 20;
let brief = new Uint8Array(0);

function memoryFor(bytes: number, isBrief: boolean): Uint8Array {
  if (!isBrief || bytes > mostBriefBytes) return new Uint8Array(bytes);
  if (brief.length < bytes) brief = new Uint8Array(bytes);
  return brief.subarray(0, bytes);
}

interface Layout {
  /** Units per row of the whole picture, and in total. */
  readonly across: number;
  readonly units: number;
  /** The units to decode; end exclusive. */
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
  // With a margin of two pixels, from which colours are interpolated.
  const left = Math.floor(Math.max(0, box.left - 2) / unit.width);
  const top = Math.floor(Math.max(0, box.top - 2) / unit.height);
  const right = Math.min(across, Math.ceil((box.left + box.width + 2) / unit.width));
  const bottom = Math.min(units / across, Math.ceil((box.top + box.height + 2) / unit.height));
  // Plain loops, since this runs for every picture: arrays made by `map` are compiled anew when it is inlined.
  const planes: Plane[] = [];
  for (const component of components) {
    // Colours with half of the samples in both directions are reduced by half as much, if at all (`jdmaster.c`).
    let own = side;
    while (
      own < 8 &&
      most.across * side >= 2 * component.across * own &&
      most.down * side >= 2 * component.down * own
    ) {
      own *= 2;
    }
    const stride = (right - left) * component.across * own + 2 * marginBytes;
    planes.push({
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
    });
  }
  // In these cases libjpeg repeats samples instead of interpolating.
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
  const pixelBytes = 3 * box.width * box.height;
  const { take, grow } = areasOf(wasm);
  const source = take(length);
  const stream = take(slack + length);
  const segments = take(4 * (intervals + 2));
  const job = take(4 * (jobWords + planes.length * planeWords));
  const counts = take(huffmanBytes);
  const steps = take(stepsBytes * planes.length);
  const rows = take(2 * (box.width + 2 * marginBytes));
  const result = take(pixelBytes);
  const samples: number[] = [];
  for (const plane of planes) samples.push(take(plane.bytes) + marginBytes);
  if (!grow()) return undefined;
  const memory = new Uint8Array(wasm.memory.buffer);
  memory.set(bytes.subarray(scan.start), source);
  const top = stream + slack + length;
  const end = wasm.unstuff(source, source + length, top, segments, intervals);
  // Another scan or something unusual follows.
  if (end === 0 || memory[end + 1] !== 0xd9) return undefined;

  const table = (number: number): number => {
    memory.fill(0, counts, counts + huffmanBytes);
    memory.set(scan.huffman.get(number)!, counts);
    return wasm.tableOf((number >> 2) | (number & 3), counts);
  };
  const words = new Int32Array(memory.buffer, job);
  /** In the order of wasm/jpeg/job.ts. */
  const put = (at: number, ...values: number[]) => words.set(values, at);
  put(0, components.length, layout.across, interval === 0 ? units : interval);
  put(3, layout.left, layout.right, layout.top, layout.bottom);
  put(7, isChecked ? units / layout.across : layout.bottom, top, segments);
  put(10, box.left, box.top, box.width, box.height, result, rows);
  for (const [i, plane] of planes.entries()) {
    const { component } = plane;
    const dc = table(component.dc);
    const ac = table(component.ac + 16);
    if (dc === 0 || ac === 0) return undefined;
    const itsSteps = steps + stepsBytes * i;
    new Int16Array(memory.buffer, itsSteps).set(scan.steps.get(component.steps)!);
    const at = jobWords + planeWords * i;
    put(at, component.across, component.down, dc, ac, itsSteps, samples[i]!, plane.stride, plane.side);
    put(at + 8, plane.wider, plane.higher, plane.left, plane.top, plane.bytes / plane.stride);
    put(at + 13, plane.width, plane.height);
  }
  if (wasm.decodeScan(job) === 0) return undefined;
  wasm.colourPart(job, marginBytes);
  const data = memoryFor(pixelBytes, isBrief);
  data.set(memory.subarray(result, result + pixelBytes));
  return { width: box.width, height: box.height, data };
}
