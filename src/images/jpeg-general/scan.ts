/** A scan of a JPEG file: coefficients of blocks, whole, or some of them, or some of their bits (T.81, F.2 and G.2). */

import { zigzag } from "../jpeg-header.ts";
import type { Bits, HuffmanTable } from "./bits.ts";

/** A component's blocks, with those that only fill the last units up. */
export interface Component {
  readonly id: number;
  /** Blocks in a unit, across and down. */
  readonly across: number;
  readonly down: number;
  /** The table of quantisation steps by number, and as it was when the component's first scan began. */
  readonly stepsNumber: number;
  steps: Int16Array | undefined;
  /** Samples of the picture. */
  readonly width: number;
  readonly height: number;
  /** Blocks in a row, and all their coefficients in the order of rows. */
  readonly stride: number;
  readonly coefficients: Int16Array;
}

export interface ScanPart {
  readonly component: Component;
  readonly dc: HuffmanTable | undefined;
  readonly ac: HuffmanTable | undefined;
}

export interface Scan {
  readonly parts: readonly ScanPart[];
  readonly isProgressive: boolean;
  /** The coefficients, in the order in which they are written, from the first to the last. */
  readonly first: number;
  readonly last: number;
  /** Bits that earlier scans gave down to, 0 where there were none, and that this one gives down to. */
  readonly high: number;
  readonly low: number;
  /** Units from one restart to the next; 0: no restarts. */
  readonly interval: number;
  /** Units of several components in a row of the picture, and rows of them. */
  readonly unitsAcross: number;
  readonly unitsDown: number;
}

/** Reads the scan's bits into the components. */
export function readScan(bits: Bits, scan: Scan): void {
  const block = reader(bits, scan);
  const { parts, interval } = scan;
  let left = interval;
  const unit = (): void => {
    if (interval === 0) return;
    if (left === 0) {
      bits.restart();
      block.restart();
      left = interval;
    }
    left--;
  };
  const [only] = parts;
  if (parts.length === 1) {
    // Blocks alone follow each other, without those that fill up units.
    const { component } = only!;
    const across = Math.ceil(component.width / 8);
    const down = Math.ceil(component.height / 8);
    for (let y = 0; y < down; y++) {
      for (let x = 0; x < across; x++) {
        unit();
        block.read(0, 64 * (y * component.stride + x));
      }
    }
    return;
  }
  for (let row = 0; row < scan.unitsDown; row++) {
    for (let column = 0; column < scan.unitsAcross; column++) {
      unit();
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
  /** The block whose coefficients begin there, of the component at that place of the scan. */
  read(part: number, at: number): void;
  restart(): void;
}

function reader(bits: Bits, scan: Scan): BlockReader {
  const before = new Int32Array(scan.parts.length);
  /** Blocks that still end before they begin. */
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

/** G.1.2.2: coefficients for the first time, and runs of blocks that have none left. */
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

/** G.1.2.3: one more bit of those that are not 0, and those that become so. */
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
      if (fresh !== 0 && k <= band.last) coefficients[at + zigzag[k]!] = fresh;
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
