/** The results of golden/make_augment.py, and comparison of random numbers with a distribution. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ColorChange } from "../src/images/augment/color.ts";
import type { DrawnWarp } from "../src/images/augment/warp.ts";
import type { Box, Interpolation, Picture } from "../src/images/resize.ts";
import { golden } from "./support.ts";

export const bytesOf = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, "base64"));
export const floatsOf = (base64: string): Float32Array => new Float32Array(bytesOf(base64).buffer);

/** A mean and a deviation. */
export type Spread = readonly [mean: number, deviation: number];

interface Recorded {
  readonly source: { readonly width: number; readonly height: number; readonly pixels: string };
  readonly fill: readonly [number, number, number];
  readonly rotations: readonly {
    readonly oracle: string;
    readonly degrees: number;
    readonly box: Box;
    readonly size: number;
    readonly interpolation: Interpolation;
    readonly pixels: string;
  }[];
  readonly hard: { readonly width: number; readonly height: number; readonly pixels: string };
  /** Hashes of the results for `source` and `hard`. */
  readonly pillow: readonly { readonly name: string; readonly argument: number; readonly sha256: readonly string[] }[];
  readonly affine: readonly {
    readonly hard: boolean;
    readonly map?: readonly [number, number, number, number, number, number];
    readonly degrees?: number;
    readonly filter: "bilinear" | "bicubic";
    readonly sha256: string;
  }[];
  readonly hls: readonly {
    readonly shift: readonly [number, number, number];
    readonly hls: string;
    readonly rgb: string;
  }[];
  readonly warps: readonly {
    readonly drawn: DrawnWarp;
    readonly width: number;
    readonly height: number;
    readonly sha256: string;
    /** Of 20 · 20 pixels from (5, 3) on. */
    readonly window: string;
  }[];
  readonly photometric: readonly { readonly changes: readonly ColorChange[]; readonly pixels: string }[];
  readonly padded: readonly {
    readonly fill: "reflect" | number;
    readonly left: number;
    readonly top: number;
    readonly size: number;
    readonly sha256: string;
  }[];
  readonly nearest: readonly {
    readonly hard: boolean;
    readonly size: readonly [number, number];
    readonly sha256: string;
  }[];
  readonly mixtures: readonly {
    readonly shape: [number, number, number, number];
    readonly images: string;
    readonly labels: readonly number[];
    readonly classes: number;
    readonly smoothing: number;
    readonly share: number;
    readonly box: Box | null;
    readonly mixed: string;
    readonly targets: string;
  }[];
  readonly turned: readonly {
    readonly width: number;
    readonly height: number;
    readonly area: Spread;
    readonly logRatio: Spread;
  }[];
  readonly erased: readonly {
    readonly size: number;
    readonly count: number;
    readonly area: Spread;
    readonly logAspect: Spread;
    readonly left: Spread;
    readonly top: Spread;
    readonly number: Spread;
  }[];
}

export const recorded: Recorded = JSON.parse(readFileSync(golden("augment.json"), "utf8"));

/** 61 · 47 pixels, smooth. */
export const source: Picture = { ...recorded.source, data: bytesOf(recorded.source.pixels) };
/** 32 · 24 pixels, each unlike its neighbours. */
export const hard: Picture = { ...recorded.hard, data: bytesOf(recorded.hard.pixels) };

/** A copy of the picture. */
export const copyOf = (picture: Picture): Picture => ({ ...picture, data: picture.data.slice() });

export const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

/** The mean and the largest absolute difference. */
export function difference(a: Uint8Array, b: Uint8Array): { readonly mean: number; readonly largest: number } {
  assert.equal(a.length, b.length);
  let sum = 0;
  let largest = 0;
  for (const [i, value] of a.entries()) {
    const distance = Math.abs(value - b[i]!);
    sum += distance;
    largest = Math.max(largest, distance);
  }
  return { mean: sum / a.length, largest };
}

/**
 * Asserts that the numbers have this mean and deviation: within five standard deviations of the mean (of two means, if
 * the expected one is also random), and 3 %.
 */
export function assertSpread(values: readonly number[], [mean, deviation]: Spread, what: string, drawn = true): void {
  const n = values.length;
  const own = values.reduce((sum, x) => sum + x, 0) / n;
  const spread = Math.sqrt(values.reduce((sum, x) => sum + (x - own) ** 2, 0) / n);
  const allowed = 5 * deviation * Math.sqrt((drawn ? 2 : 1) / n) + 1e-9;
  assert.ok(Math.abs(own - mean) <= allowed, `${what}: mean ${own}, expected ${mean} ± ${allowed}`);
  assert.ok(Math.abs(spread - deviation) <= 0.03 * deviation + 1e-9, `${what}: deviation ${spread}, not ${deviation}`);
}
