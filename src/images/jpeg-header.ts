/**
 * Reads the segments of a JPEG file (ITU-T T.81, annex B), as far as a single baseline scan of one or three components
 * needs them.
 */

export interface JpegComponent {
  /** Blocks per minimum coded unit, across and down. */
  readonly across: number;
  readonly down: number;
  /** Numbers of the tables of quantisation steps, and of Huffman codes for DC and AC coefficients. */
  readonly steps: number;
  readonly dc: number;
  readonly ac: number;
}

export interface JpegScan {
  readonly width: number;
  readonly height: number;
  /** One is grey; three are Y, Cb and Cr. */
  readonly components: readonly JpegComponent[];
  /** 64 quantisation steps, row by row, by number. */
  readonly steps: ReadonlyMap<number, Int16Array>;
  /** Counts of 16 lengths followed by the symbols, by number; AC tables from 16 on. */
  readonly huffman: ReadonlyMap<number, Uint8Array>;
  /** Units between restarts; 0: no restarts. */
  readonly interval: number;
  /** Start of the scan's bits. */
  readonly start: number;
}

/** Zigzag order of coefficients. */
export const zigzag: readonly number[] = [
  ...[
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28,
  ],
  ...[
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47,
    55,
  ],
  ...[62, 63],
];

const Marker = {
  sof0: 0xc0,
  sof1: 0xc1,
  dht: 0xc4,
  eoi: 0xd9,
  sos: 0xda,
  dqt: 0xdb,
  dri: 0xdd,
  app0: 0xe0,
  app14: 0xee,
};

/** The scan, or `undefined` if the file is of another kind (progressive, CMYK, RGB, 12 bits, ...) or damaged. */
export function readJpeg(bytes: Uint8Array): JpegScan | undefined {
  const steps = new Map<number, Int16Array>();
  const huffman = new Map<number, Uint8Array>();
  const short = (at: number) => (bytes[at]! << 8) | bytes[at + 1]!;
  let frame: Frame | undefined;
  let interval = 0;
  let isJfif = false;
  let adobe: number | undefined;
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at++;
      continue;
    }
    const body = at + 4;
    const end = at + 2 + short(at + 2);
    if (end < body || end > bytes.length) return undefined;
    const segment = bytes.subarray(body, end);
    if (marker === Marker.dqt) {
      if (!readSteps(segment, steps)) return undefined;
    } else if (marker === Marker.dht) {
      if (!readHuffman(segment, huffman)) return undefined;
    } else if (marker === Marker.dri) {
      interval = short(body);
    } else if (marker === Marker.app0) {
      isJfif ||= startsWith(segment, "JFIF\0");
    } else if (marker === Marker.app14) {
      if (segment.length >= 12 && startsWith(segment, "Adobe")) adobe = segment[11]!;
    } else if (marker === Marker.sof0 || marker === Marker.sof1) {
      if (frame !== undefined) return undefined;
      frame = readFrame(segment);
      if (frame === undefined) return undefined;
    } else if (marker === Marker.sos) {
      if (frame === undefined || !isYcc(frame, isJfif, adobe)) return undefined;
      const components = readScan(segment, frame);
      if (components === undefined) return undefined;
      for (const { steps: ofSteps, dc, ac } of components) {
        if (!steps.has(ofSteps) || !huffman.has(dc) || !huffman.has(ac + 16)) return undefined;
      }
      return { width: frame.width, height: frame.height, components, steps, huffman, interval, start: end };
    } else if (marker < 0xe0 && marker !== 0xcc) {
      // Any other frame, or an unexpected segment.
      return undefined;
    } else if (marker === 0xcc) {
      return undefined;
    }
    at = end;
  }
  return undefined;
}

interface Frame {
  readonly width: number;
  readonly height: number;
  readonly components: readonly {
    readonly id: number;
    readonly across: number;
    readonly down: number;
    readonly steps: number;
  }[];
}

export const startsWith = (segment: Uint8Array, text: string): boolean =>
  segment.length >= text.length && [...text].every((character, i) => segment[i] === character.charCodeAt(0));

/** Guessed as in libjpeg (`default_decompress_parms`). */
function isYcc({ components }: Frame, isJfif: boolean, adobe: number | undefined): boolean {
  if (components.length === 1 || isJfif) return true;
  if (adobe !== undefined) return adobe === 1;
  return components.every(({ id }, i) => id === i + 1);
}

export function readSteps(segment: Uint8Array, steps: Map<number, Int16Array>): boolean {
  for (let at = 0; at < segment.length; ) {
    const isWide = segment[at]! >> 4 === 1;
    const length = isWide ? 128 : 64;
    if (segment[at]! >> 4 > 1 || at + 1 + length > segment.length) return false;
    const values = new Int16Array(64);
    // Plain loops, since this runs for every picture.
    for (let i = 0; i < 64; i++) {
      const from = at + 1 + (isWide ? 2 * i : i);
      values[zigzag[i]!] = isWide ? (segment[from]! << 8) | segment[from + 1]! : segment[from]!;
    }
    steps.set(segment[at]! & 15, values);
    at += 1 + length;
  }
  return true;
}

export function readHuffman(segment: Uint8Array, huffman: Map<number, Uint8Array>): boolean {
  for (let at = 0; at < segment.length; ) {
    if (at + 17 > segment.length) return false;
    // Two classes of four tables.
    if ((segment[at]! & 0xec) !== 0) return false;
    let symbols = 0;
    for (let i = at + 1; i < at + 17; i++) symbols += segment[i]!;
    const end = at + 17 + symbols;
    if (symbols > 256 || end > segment.length) return false;
    huffman.set(segment[at]!, segment.subarray(at + 1, end));
    at = end;
  }
  return true;
}

function readFrame(segment: Uint8Array): Frame | undefined {
  const count = segment[5]!;
  if (segment.length < 6 || segment[0] !== 8 || (count !== 1 && count !== 3) || segment.length < 6 + 3 * count) {
    return undefined;
  }
  const height = (segment[1]! << 8) | segment[2]!;
  const width = (segment[3]! << 8) | segment[4]!;
  if (width === 0 || height === 0) return undefined;
  const components = Array.from({ length: count }, (_, i) => {
    const at = 6 + 3 * i;
    return { id: segment[at]!, across: segment[at + 1]! >> 4, down: segment[at + 1]! & 15, steps: segment[at + 2]! };
  });
  // With one component, its sampling factors have no effect.
  if (count === 1) return { width, height, components: [{ ...components[0]!, across: 1, down: 1 }] };
  const [luma, blue, red] = components;
  const isKnown =
    (luma!.across === 1 || luma!.across === 2) &&
    (luma!.down === 1 || (luma!.down === 2 && luma!.across === 2)) &&
    [blue, red].every((one) => one!.across === 1 && one!.down === 1);
  return isKnown ? { width, height, components } : undefined;
}

function readScan(segment: Uint8Array, { components }: Frame): JpegComponent[] | undefined {
  const count = segment[0];
  if (count !== components.length || segment.length < 4 + 2 * count) return undefined;
  // The scan must have all coefficients with all bits.
  const rest = segment.subarray(1 + 2 * count);
  if (rest[0] !== 0 || rest[1] !== 63 || rest[2] !== 0) return undefined;
  const found: JpegComponent[] = [];
  for (const { id, across, down, steps } of components) {
    const at = 1 + 2 * found.length;
    if (segment[at] !== id) return undefined;
    const tables = segment[at + 1]!;
    found.push({ across, down, steps, dc: tables >> 4, ac: tables & 15 });
  }
  return found;
}
