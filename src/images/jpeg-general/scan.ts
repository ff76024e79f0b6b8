/**
 * Decodes a scan of a JPEG file: all coefficients of blocks, some of them, or some of their bits (T.81, F.2 and G.2).
 */

import { zigzag } from "../jpeg-header.ts";
import type { Bits, HuffmanTable } from "./bits.ts";

/** A component's blocks, including those that only pad the last units. */
export interface Component {
  readonly id: number;
  /** Blocks per unit, across and down. */
  readonly across: number;
  readonly down: number;
  /** Number of the quantisation table, and its contents when the component's first scan began. */
  readonly stepsNumber: number;
  steps: Int16Array | undefined;
  /** Size in samples. */
  readonly width: number;
  readonly height: number;
  /** Blocks per row, and all coefficients, row by row. */
  readonly stride: number;
  readonly coefficients: Int16Array;
  /** By place in the order in which they are written: the bits of each that no scan has given; -1 where none gave any. */
  readonly lacking: Int8Array;
}

export interface ScanPart {
  readonly component: Component;
  readonly dc: HuffmanTable | undefined;
  readonly ac: HuffmanTable | undefined;
}

export interface Scan {
  readonly parts: readonly ScanPart[];
  readonly isProgressive: boolean;
  /** The range of coefficients, in zigzag order. */
  readonly first: number;
  readonly last: number;
  /** Lowest bit given by earlier scans, 0 if there were none, and by this one. */
  readonly high: number;
  readonly low: number;
  /** Units between restarts; 0: no restarts. */
  readonly interval: number;
  /** Units per row of the picture, and number of rows, in scans of several components. */
  readonly unitsAcross: number;
  readonly unitsDown: number;
}

/** Decodes the scan into the components' coefficients. */
export function readScan(bits: Bits, scan: Scan): void {
  const block = reader(bits, scan);
  const { parts, interval } = scan;
  for (const { component } of parts) component.lacking.fill(scan.low, scan.first, scan.last + 1);
  let left = interval;
  const unit = (): void => {
    if (interval === 0) return;
    if (left === 0) {
      bits.restart(restarts++ & 7);
      block.restart();
      left = interval;
    }
    left--;
  };
  let restarts = 0;
  const [only] = parts;
  if (parts.length === 1) {
    // In a scan of one component, padding blocks are left out.
    const { component } = only!;
    const across = Math.ceil(component.width / 8);
    const down = Math.ceil(component.height / 8);
    for (let y = 0; y < down; y++) {
      for (let x = 0; x < across; x++) {
        unit();
        if (!bits.isSpent) block.read(0, 64 * (y * component.stride + x));
      }
    }
    return;
  }
  for (let row = 0; row < scan.unitsDown; row++) {
    for (let column = 0; column < scan.unitsAcross; column++) {
      unit();
      // What the file does not have stays as it is, as with libjpeg.
      if (bits.isSpent) continue;
      for (const [i, { component }] of parts.entries()) {
        for (let y = 0; y < component.down; y++) {
          const start = (row * component.down + y) * component.stride + column * component.across;
          for (let x = 0; x < component.across; x++) block.read(i, 64 * (start + x));
        }
      }
    }
  }
}

interface BlockReader {
  /** Decodes the block whose coefficients start at `at`, of component `part` of the scan. */
  read(part: number, at: number): void;
  restart(): void;
}

function reader(bits: Bits, scan: Scan): BlockReader {
  const before = new Int32Array(scan.parts.length);
  /** Number of blocks to skip in an end-of-band run. */
  const run = { blocks: 0 };
  const restart = () => {
    before.fill(0);
    run.blocks = 0;
  };
  const { isProgressive, first, high } = scan;
  const firstOf = ({ dc }: ScanPart, part: number): number => {
    before[part] = before[part]! + bits.signed(bits.symbol(dc!));
    return before[part];
  };
  const { parts, low } = scan;
  if (!isProgressive) {
    return {
      restart,
      read(part, at) {
        const one = parts[part]!;
        one.component.coefficients[at] = firstOf(one, part);
        wholeBlock(bits, one.ac!, one.component.coefficients, at);
      },
    };
  }
  if (first === 0) {
    return {
      restart,
      read(part, at) {
        const one = parts[part]!;
        const { coefficients } = one.component;
        if (high === 0) coefficients[at] = firstOf(one, part) << low;
        else if (bits.take(1) === 1) coefficients[at] = coefficients[at]! | (1 << low);
      },
    };
  }
  const { component, ac } = parts[0]!;
  const work = high === 0 ? firstBits : furtherBits;
  return { restart, read: (_, at) => work(bits, ac!, component.coefficients, at, scan, run) };
}

function wholeBlock(bits: Bits, ac: HuffmanTable, coefficients: Int16Array, at: number): void {
  for (let k = 1; k < 64; k++) {
    const symbol = bits.symbol(ac);
    const size = symbol & 15;
    k += symbol >> 4;
    if (size > 0) coefficients[at + zigzag[Math.min(63, k)]!] = bits.signed(size);
    else if (symbol !== 0xf0) return;
  }
}

interface Run {
  blocks: number;
}
type Band = Pick<Scan, "first" | "last" | "low">;

/** G.1.2.2: first bits of coefficients, and runs of blocks without further ones. */
function firstBits(bits: Bits, ac: HuffmanTable, coefficients: Int16Array, at: number, band: Band, run: Run): void {
  if (run.blocks > 0) {
    run.blocks--;
    return;
  }
  for (let k = band.first; k <= band.last; k++) {
    const symbol = bits.symbol(ac);
    const zeros = symbol >> 4;
    const size = symbol & 15;
    if (size > 0) {
      k += zeros;
      coefficients[at + zigzag[Math.min(63, k)]!] = bits.signed(size) << band.low;
    } else if (zeros === 15) k += 15;
    else {
      run.blocks = (1 << zeros) - 1 + bits.take(zeros);
      return;
    }
  }
}

/** G.1.2.3: one more bit of non-zero coefficients, and newly non-zero ones. */
function furtherBits(bits: Bits, ac: HuffmanTable, coefficients: Int16Array, at: number, band: Band, run: Run): void {
  const one = 1 << band.low;
  let k = band.first;
  const refine = (place: number, value: number): void => {
    if (bits.take(1) === 1 && (value & one) === 0) coefficients[place] = value + (value > 0 ? one : -one);
  };
  if (run.blocks === 0) {
    for (; k <= band.last; k++) {
      const symbol = bits.symbol(ac);
      let zeros = symbol >> 4;
      let fresh = 0;
      if ((symbol & 15) > 0) fresh = bits.take(1) === 1 ? one : -one;
      else if (zeros < 15) {
        run.blocks = (1 << zeros) + bits.take(zeros);
        break;
      }
      for (; k <= band.last; k++) {
        const place = at + zigzag[k]!;
        const value = coefficients[place]!;
        if (value !== 0) refine(place, value);
        else if (zeros-- === 0) break;
      }
      if (fresh !== 0) coefficients[at + zigzag[Math.min(63, k)]!] = fresh;
    }
  }
  if (run.blocks > 0) {
    for (; k <= band.last; k++) {
      const place = at + zigzag[k]!;
      const value = coefficients[place]!;
      if (value !== 0) refine(place, value);
    }
    run.blocks--;
  }
}
