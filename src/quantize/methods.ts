/** How far an activation's range goes: what lies beyond is cut off, so that what lies within gets finer steps. */

import { binCount, type Histogram } from "./histogram.ts";

export interface RangeMethod {
  /** For people. */
  readonly about: string;
  /** The largest number that is not cut off, above 0. @param levels steps that are there to cover it */
  readonly range: (histogram: Histogram, levels: number) => number;
}

/** Of the numbers, how many are not cut off by `percentile`. */
const keptPart = 0.9999;

export const rangeMethods = {
  minmax: { about: "the largest number that occurs", range: ({ largest }) => largest },
  percentile: { about: "what 99.99 % of the numbers do not exceed", range: percentile },
  entropy: {
    about: "the least information lost, as TensorRT (Migacz, GTC 2017)",
    range: (histogram, levels) => best(histogram, (bins) => divergence(histogram, bins, levels)),
  },
  mse: {
    about: "the least squared error",
    range: (histogram, levels) => best(histogram, (bins) => squaredError(histogram, bins, levels)),
  },
} as const satisfies Readonly<Record<string, RangeMethod>>;

export type RangeMethodName = keyof typeof rangeMethods;
export const rangeMethodNames = Object.keys(rangeMethods) as RangeMethodName[];

/** One step of eight bits. */
export function scaleOf(histogram: Histogram, levels: number, method: RangeMethodName): number {
  // An activation that is zero on all pictures has any scale.
  if (histogram.largest === 0) return 1 / levels;
  const range = Math.min(histogram.largest, rangeMethods[method].range(histogram, levels));
  return range / levels;
}

function percentile({ counts, total, limit }: Histogram): number {
  let seen = 0;
  for (let bin = 0; bin < binCount; bin++) {
    seen += counts[bin]!;
    if (seen >= keptPart * total) return ((bin + 1) * limit) / binCount;
  }
  return limit;
}

/** The range with the smallest loss, among those that end with a bin. */
function best({ limit }: Histogram, loss: (bins: number) => number): number {
  const stride = 16;
  let smallest = Number.POSITIVE_INFINITY;
  let found = binCount;
  for (let bins = binCount / 16; bins <= binCount; bins += stride) {
    const value = loss(bins);
    if (value >= smallest) continue;
    smallest = value;
    found = bins;
  }
  return (found * limit) / binCount;
}

function squaredError(histogram: Histogram, bins: number, levels: number): number {
  const range = (bins * histogram.limit) / binCount;
  const step = range / levels;
  let sum = 0;
  for (let bin = 0; bin < binCount; bin++) {
    const count = histogram.counts[bin]!;
    if (count === 0) continue;
    const value = histogram.centre(bin);
    const error = value - Math.min(levels, Math.round(value / step)) * step;
    sum += count * error * error;
  }
  return sum;
}

/** Kullback and Leibler's, of the numbers cut off at `bins` from the same in `levels` steps. */
function divergence({ counts }: Histogram, bins: number, levels: number): number {
  // The first bin is full of zeros, which every range keeps: it says nothing.
  let total = 0;
  for (let bin = 1; bin < binCount; bin++) total += counts[bin]!;
  if (total === 0) return 0;
  let beyond = 0;
  for (let bin = bins; bin < binCount; bin++) beyond += counts[bin]!;
  const perLevel = bins / levels;
  let sum = 0;
  for (let level = 0; level < levels; level++) {
    const start = Math.max(1, Math.floor(level * perLevel));
    const end = Math.min(bins, Math.floor((level + 1) * perLevel));
    let mass = 0;
    let filled = 0;
    for (let bin = start; bin < end; bin++) {
      mass += counts[bin]!;
      if (counts[bin]! > 0) filled++;
    }
    if (filled === 0) continue;
    for (let bin = start; bin < end; bin++) {
      const count = counts[bin]!;
      if (count === 0) continue;
      const p = count + (bin === bins - 1 ? beyond : 0);
      sum += (p / total) * Math.log((p * filled) / mass);
    }
  }
  // What is cut off and meets an empty last bin would count for nothing.
  if (beyond > 0 && counts[bins - 1] === 0) return Number.POSITIVE_INFINITY;
  return sum;
}
