/** Methods to choose an activation's range: values beyond it are clipped, so that those within get finer steps. */

import { binCount, type Histogram } from "./histogram.ts";

export interface RangeMethod {
  /** Description for users. */
  readonly about: string;
  /** The end of the range, above 0. @param levels number of steps in the range */
  readonly range: (histogram: Histogram, levels: number) => number;
}

/** Share of the values that `percentile` does not clip. */
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

/** The scale: one step of eight bits. */
export function scaleOf(histogram: Histogram, levels: number, method: RangeMethodName): number {
  // An activation that is always zero may have any scale.
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

/** The range with the smallest loss, among those that end at a bin's border. */
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

/** Kullback-Leibler divergence between the values clipped at `bins` and the same in `levels` steps. */
function divergence({ counts }: Histogram, bins: number, levels: number): number {
  // Without the first bin, which is full of zeros that every range keeps.
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
  // Clipped values would count for nothing if the last bin is empty.
  if (beyond > 0 && counts[bins - 1] === 0) return Number.POSITIVE_INFINITY;
  return sum;
}
