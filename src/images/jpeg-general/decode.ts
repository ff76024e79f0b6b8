/**
 * Decodes all Huffman-coded JPEGs: progressive, CMYK, RGB, with any sampling and any order of scans. To the bytes of
 * libjpeg-turbo, and so of Pillow; slower than `jpeg.ts`, which handles the usual kind.
 */

import { clamped } from "../clamped.ts";
import { PictureFault, UnsupportedPicture } from "../fault.ts";
import { readHuffman, readSteps, startsWith } from "../jpeg-header.ts";
import type { Picture } from "../resize.ts";
import { fromCmyk } from "../samples.ts";
import { Bits, type HuffmanTable, huffmanTable } from "./bits.ts";
import { inverseDct } from "./idct.ts";
import { type Component, readScan, type ScanPart } from "./scan.ts";
import { type Plane, upsampled } from "./upsample.ts";

/** Honest files have fewer scans; without a limit, decoding could take forever. */
const maxScans = 500;

interface Frame {
  readonly isProgressive: boolean;
  readonly width: number;
  readonly height: number;
  readonly components: readonly Component[];
  readonly most: { readonly across: number; readonly down: number };
  readonly unitsAcross: number;
  readonly unitsDown: number;
}

/** @throws PictureFault where the file is damaged, truncated, or of an unsupported kind */
export function decodeGeneralJpeg(bytes: Uint8Array): Picture {
  const steps = new Map<number, Int16Array>();
  const huffman = new Map<number, HuffmanTable>();
  const short = (at: number) => (bytes[at]! << 8) | bytes[at + 1]!;
  const marks: { isJfif: boolean; adobe?: number } = { isJfif: false };
  let frame: Frame | undefined;
  let interval = 0;
  let scans = 0;
  let at = 2;
  for (;;) {
    while (bytes[at] === 0xff && bytes[at + 1] === 0xff) at++;
    if (at + 1 >= bytes.length) throw new PictureFault("the file ends within the picture");
    const marker = bytes[at] === 0xff ? bytes[at + 1]! : 0;
    if (marker === 0xd9) break;
    const end = at + 2 + short(at + 2);
    if (at + 4 > bytes.length || end > bytes.length) throw new PictureFault("the file ends within the picture");
    if (marker < 0xc0 || end < at + 4) throw new PictureFault("there is no segment where one should begin");
    const segment = bytes.subarray(at + 4, end);
    at = end;
    if (marker === 0xdb) {
      if (!readSteps(segment, steps)) throw new PictureFault("its DQT segment is not sound");
    } else if (marker === 0xc4) readTables(segment, huffman);
    else if (marker === 0xdd) interval = short(end - segment.length);
    else if (marker === 0xe0) marks.isJfif ||= startsWith(segment, "JFIF\0");
    else if (marker === 0xee) {
      if (segment.length >= 12 && startsWith(segment, "Adobe")) marks.adobe = segment[11]!;
    } else if (marker === 0xda) {
      if (frame === undefined) throw new PictureFault("a scan comes before its frame");
      if (++scans > maxScans) throw new PictureFault(`it has more than ${maxScans} scans`);
      const bits = new Bits(bytes, end);
      scanOf(segment, frame, steps, huffman, interval, bits);
      at = bits.end();
    } else if (marker < 0xd0 && marker !== 0xc8) {
      if (frame !== undefined) throw new PictureFault("it has two frames");
      frame = frameOf(segment, marker);
    }
  }
  if (frame === undefined || scans === 0) throw new PictureFault("it contains no pictures");
  if (frame.isProgressive && isSmoothed(frame))
    throw new UnsupportedPicture("its scans leave out details, and what libjpeg puts there is not decoded");
  return pictureOf(frame, marks);
}

/** Whether libjpeg would smooth it over (`smoothing_ok`): where single coefficients next to the mean are not known. */
const isSmoothed = ({ components }: Frame): boolean =>
  components.every(({ lacking }) => lacking[0]! >= 0) &&
  components.some(({ lacking }) => lacking.subarray(1, 10).some((bits) => bits !== 0));

function readTables(segment: Uint8Array, huffman: Map<number, HuffmanTable>): void {
  const segments = new Map<number, Uint8Array>();
  const isSound = readHuffman(segment, segments);
  for (const [number, one] of segments) {
    const table = huffmanTable(one);
    if (table === undefined) throw new PictureFault("its DHT segment is not sound");
    huffman.set(number, table);
  }
  if (!isSound) throw new PictureFault("its DHT segment is not sound");
}

function frameOf(segment: Uint8Array, marker: number): Frame {
  if (marker > 0xc2) throw new UnsupportedPicture("arithmetic codes, and pictures without a DCT, are not decoded");
  const [bits, high, low, wide, narrow, count = 0] = segment;
  if (segment.length < 6 + 3 * count || count === 0) throw new PictureFault("its frame is cut off");
  if (bits !== 8) throw new UnsupportedPicture(`samples of ${bits} bits are not decoded`);
  const height = (high! << 8) | low!;
  const width = (wide! << 8) | narrow!;
  if (width === 0 || height === 0) throw new PictureFault("it has no pixels");
  const sampled = Array.from({ length: count }, (_, i) => {
    const [id, sampling, stepsNumber] = segment.subarray(6 + 3 * i, 9 + 3 * i);
    return { id: id!, across: sampling! >> 4, down: sampling! & 15, stepsNumber: stepsNumber! };
  });
  if (sampled.some(({ across, down }) => across < 1 || across > 4 || down < 1 || down > 4)) {
    throw new PictureFault("its sampling is not sound");
  }
  const most = {
    across: Math.max(...sampled.map(({ across }) => across)),
    down: Math.max(...sampled.map(({ down }) => down)),
  };
  const unitsAcross = Math.ceil(width / (8 * most.across));
  const unitsDown = Math.ceil(height / (8 * most.down));
  const components = sampled.map((one): Component => {
    if (most.across % one.across !== 0 || most.down % one.down !== 0) {
      throw new UnsupportedPicture("sampling in ratios that are not whole is not decoded");
    }
    const stride = unitsAcross * one.across;
    return {
      ...one,
      steps: undefined,
      width: Math.ceil((width * one.across) / most.across),
      height: Math.ceil((height * one.down) / most.down),
      stride,
      coefficients: new Int16Array(64 * stride * unitsDown * one.down),
      lacking: new Int8Array(64).fill(-1),
    };
  });
  return { isProgressive: marker === 0xc2, width, height, components, most, unitsAcross, unitsDown };
}

function scanOf(
  segment: Uint8Array,
  frame: Frame,
  steps: ReadonlyMap<number, Int16Array>,
  huffman: ReadonlyMap<number, HuffmanTable>,
  interval: number,
  bits: Bits,
): void {
  const [count = 0] = segment;
  const [first = 0, last = 0, position = 0] = segment.subarray(1 + 2 * count);
  const { isProgressive } = frame;
  const [high, low] = [position >> 4, position & 15];
  const isSound = isProgressive
    ? first <= last && last < 64 && low < 14 && (first === 0 ? last === 0 : count === 1)
    : first === 0;
  if (segment.length < 4 + 2 * count || count === 0 || count > 4 || !isSound) {
    throw new PictureFault("its SOS segment is not sound");
  }
  const hasDc = first === 0 && high === 0;
  const hasAc = !isProgressive || first > 0;
  const taken = new Set<Component>();
  const parts = Array.from({ length: count }, (_, i): ScanPart => {
    const [id, tables] = segment.subarray(1 + 2 * i, 3 + 2 * i);
    // Several may have the same number.
    const component = frame.components.find((one) => one.id === id && !taken.has(one));
    const dc = huffman.get(tables! >> 4);
    const ac = huffman.get(16 + (tables! & 15));
    if (component === undefined || (hasDc && dc === undefined) || (hasAc && ac === undefined)) {
      throw new PictureFault("its SOS segment names what the file has not");
    }
    taken.add(component);
    // Later tables of the same number belong to other components.
    component.steps ??= steps.get(component.stepsNumber);
    if (component.steps === undefined) throw new PictureFault("it has no quantisation steps");
    return { component, dc, ac };
  });
  readScan(bits, { ...frame, parts, first, last, high, low, interval });
}

function pictureOf(frame: Frame, marks: { readonly isJfif: boolean; readonly adobe?: number }): Picture {
  const { width, height, components, most } = frame;
  const planes = components.map((component) =>
    upsampled(planeOf(component), most.across / component.across, most.down / component.down, width, height),
  );
  const kind = colours(
    components.map(({ id }) => id),
    marks,
  );
  const channels = kind === "grey" ? 1 : planes.length;
  const data = new Uint8Array(3 * width * height);
  const inks = channels === 4 ? new Uint8Array(4 * width * height) : data;
  const step = channels === 4 ? 4 : 3;
  const [one, two, three, four] = planes as [Plane, Plane, Plane, Plane];
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += step) {
      const a = one.data[y * one.stride + x]!;
      if (channels === 1) {
        data.fill(a, to, to + 3);
        continue;
      }
      const b = two.data[y * two.stride + x]!;
      const c = three.data[y * three.stride + x]!;
      if (kind === "ycc") ycc(inks, to, a, b, c);
      else {
        inks[to] = a;
        inks[to + 1] = b;
        inks[to + 2] = c;
      }
      if (channels === 4) inks[to + 3] = four.data[y * four.stride + x]!;
    }
  }
  if (channels < 4) return { width, height, data };
  // libjpeg converts YCCK to CMYK; Pillow assumes Adobe's inverted inks.
  if (kind === "ycc") for (let i = 3; i < inks.length; i += 4) inks[i] = 255 - inks[i]!;
  else for (let i = 0; i < inks.length; i++) inks[i] = 255 - inks[i]!;
  return fromCmyk({ width, height, channels, data: inks });
}

/** The colour space, guessed as in libjpeg (`default_decompress_parms`). */
function colours(ids: readonly number[], { isJfif, adobe }: { isJfif: boolean; adobe?: number }) {
  if (ids.length === 1) return "grey";
  if (ids.length === 4) return adobe === undefined || adobe === 0 ? "plain" : "ycc";
  if (ids.length !== 3) throw new UnsupportedPicture(`${ids.length} components are not decoded`);
  if (isJfif) return "ycc";
  if (adobe !== undefined) return adobe === 0 ? "plain" : "ycc";
  return String.fromCharCode(...ids) === "RGB" ? "plain" : "ycc";
}

function planeOf({ steps, stride, width, height, coefficients }: Component): Plane {
  const rows = coefficients.length / 64 / stride;
  const data = new Uint8Array(64 * stride * rows);
  // A component without a scan is uniform grey.
  const own = steps ?? new Int16Array(64);
  for (let y = 0, at = 0; y < rows; y++) {
    for (let x = 0; x < stride; x++, at += 64) {
      inverseDct(coefficients, at, own, data, 64 * stride * y + 8 * x, 8 * stride);
    }
  }
  return { width, height, stride: 8 * stride, data };
}

/** As in `jdcolor.c`: factors with 16 fractional bits. */
function ycc(to: Uint8Array, at: number, y: number, blue: number, red: number): void {
  const [b, r] = [blue - 128, red - 128];
  to[at] = clamped(y + ((91881 * r + 32768) >> 16));
  to[at + 1] = clamped(y + ((-22554 * b - 46802 * r + 32768) >> 16));
  to[at + 2] = clamped(y + ((116130 * b + 32768) >> 16));
}
