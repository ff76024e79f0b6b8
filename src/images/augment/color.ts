/** Colour augmentation: torchvision's jitter, real-valued changes in random order, and shifts in OpenCV's HLS. */

import type { Random } from "../../random.ts";
import * as z from "../../schema.ts";
import { shiftHls } from "./hls.ts";
import { brightness, contrast, hue, saturation } from "./pillow.ts";
import { between, onPixels, range } from "./step.ts";

const strength = z.number().check(z.gte(0));

export const colorJitterSchema = z.strictObject({
  kind: z.literal("colorJitter"),
  /** Factors from 1 − this to 1 + this, at least 0. */
  brightness: z._default(strength, 0),
  contrast: z._default(strength, 0),
  saturation: z._default(strength, 0),
  /** Rotation of the hue, from −this to this, in turns. */
  hue: z._default(strength.check(z.lte(0.5)), 0),
});

const jitters = { brightness, contrast, saturation, hue } as const;
const jitterKinds = ["brightness", "contrast", "saturation", "hue"] as const;

export type ColorJitter = z.output<typeof colorJitterSchema>;

/** Draws a jitter's operations, in order, with their factors (turns for hue). */
export function drawJitter(step: ColorJitter, random: Random): (readonly [(typeof jitterKinds)[number], number])[] {
  return [...random.shuffled(jitterKinds.length)].flatMap((index) => {
    const kind = jitterKinds[index]!;
    const most = step[kind];
    if (most === 0) return [];
    const least = kind === "hue" ? -most : Math.max(0, 1 - most);
    return [[kind, between([least, kind === "hue" ? most : 1 + most], random)] as const];
  });
}

export const colorJitter = onPixels({
  schema: colorJitterSchema,
  docs: "brightness, contrast, saturation and hue by Pillow, in random order (torchvision's ColorJitter)",
  apply(pixels, step, { random }) {
    for (const [kind, amount] of drawJitter(step, random)) jitters[kind](pixels, amount);
  },
});

const factor = z._default(range(0, 100), [1, 1]);

export const photometricSchema = z.strictObject({
  kind: z.literal("photometric"),
  brightness: factor,
  /** Relative to the picture's mean grey. */
  contrast: factor,
  /** Interpolates between grey and the picture, and beyond. */
  saturation: factor,
  /** Standard deviation of noise along the principal colours of ImageNet (0.1 in AlexNet). */
  lighting: z._default(z.number().check(z.gte(0)), 0),
});

export type Photometric = z.output<typeof photometricSchema>;

/** An operation drawn by a photometric step. */
export type ColorChange =
  | { readonly kind: "brightness" | "contrast" | "saturation"; readonly factor: number }
  /** Amounts along each principal colour. */
  | { readonly kind: "lighting"; readonly along: readonly [number, number, number] };

/**
 * Eigenvalues of the colours of ImageNet's pixels, in [0, 1] (Krizhevsky et al., 2012; numbers from fb.resnet.torch).
 */
const eigenvalues = [0.2175, 0.0188, 0.0045] as const;
const eigenvectors = [
  [-0.5675, 0.7192, 0.4009],
  [-0.5808, -0.0045, -0.814],
  [-0.5836, -0.6948, 0.4203],
] as const;

/** OpenCV's weights for grey. */
const greyWeights = [0.299, 0.587, 0.114] as const;

/**
 * Changes colours without intermediate rounding: each change is linear in the three channels, and so is their
 * composition. The result is truncated once and clamped to a byte.
 */
export function changeColors(data: Uint8Array, changes: readonly ColorChange[]): void {
  // value[channel] = Σ matrix[channel][of] · byte[of] + offset[channel]
  let matrix = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  let offset = [0, 0, 0];
  let means: number[] | undefined;
  const greyOf = (column: number) => greyWeights.reduce((sum, weight, k) => sum + weight * matrix[k]![column]!, 0);
  for (const change of changes) {
    if (change.kind === "lighting") {
      const { along } = change;
      offset = offset.map(
        (value, k) =>
          value + 255 * eigenvectors[k]!.reduce((sum, part, i) => sum + part * along[i]! * eigenvalues[i]!, 0),
      );
      continue;
    }
    const { kind, factor } = change;
    const greys = [0, 1, 2].map(greyOf);
    const greyOffset = greyWeights.reduce((sum, weight, k) => sum + weight * offset[k]!, 0);
    const scaled = matrix.map((row) => row.map((value) => factor * value));
    if (kind === "saturation") {
      matrix = scaled.map((row) => row.map((value, column) => value + (1 - factor) * greys[column]!));
      offset = offset.map((value) => factor * value + (1 - factor) * greyOffset);
      continue;
    }
    matrix = scaled;
    offset = offset.map((value) => factor * value);
    if (kind === "brightness") continue;
    means ??= meansOf(data);
    const grey = greys.reduce((sum, weight, column) => sum + weight * means![column]!, greyOffset);
    offset = offset.map((value) => value + (1 - factor) * grey);
  }
  const [[rr, rg, rb], [gr, gg, gb], [br, bg, bb]] = matrix as [Triple, Triple, Triple];
  const [r0, g0, b0] = offset as Triple;
  for (let i = 0; i < data.length; i += 3) {
    const [red, green, blue] = [data[i]!, data[i + 1]!, data[i + 2]!];
    data[i] = truncated(rr * red + rg * green + rb * blue + r0);
    data[i + 1] = truncated(gr * red + gg * green + gb * blue + g0);
    data[i + 2] = truncated(br * red + bg * green + bb * blue + b0);
  }
}

type Triple = [number, number, number];

const truncated = (value: number): number => (value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value));

function meansOf(data: Uint8Array): Triple {
  const sums: Triple = [0, 0, 0];
  for (let i = 0; i < data.length; i += 3) {
    sums[0] += data[i]!;
    sums[1] += data[i + 1]!;
    sums[2] += data[i + 2]!;
  }
  return sums.map((sum) => (3 * sum) / data.length) as Triple;
}

export function drawChanges(step: Photometric, random: Random): ColorChange[] {
  const kinds = ["brightness", "contrast", "saturation", "lighting"] as const;
  return [...random.shuffled(kinds.length)].flatMap((index): ColorChange[] => {
    const kind = kinds[index]!;
    if (kind !== "lighting") {
      const [low, high] = step[kind];
      return low === 1 && high === 1 ? [] : [{ kind, factor: between(step[kind], random) }];
    }
    if (step.lighting === 0) return [];
    const along = [random.normal(), random.normal(), random.normal()].map((value) => step.lighting * value) as Triple;
    return [{ kind, along }];
  });
}

export const photometric = onPixels({
  schema: photometricSchema,
  docs: "brightness, contrast, saturation and PCA lighting in random order, rounded once (fb.resnet.torch and tensorpack)",
  apply({ data }, step, { random }) {
    const changes = drawChanges(step, random);
    if (changes.length > 0) changeColors(data, changes);
  },
});

const shift = z._default(z.number().check(z.gte(0), z.lte(255)), 0);

export const hlsSchema = z.strictObject({
  kind: z.literal("hls"),
  /**
   * Each is shifted by a number between −this and this, truncated; hue is in units of 2 degrees (180 steps), the others
   * have 255 steps.
   */
  hue: shift,
  lightness: shift,
  saturation: shift,
});

/** Draws shifts of hue, lightness and saturation. */
export const drawShift = (step: z.output<typeof hlsSchema>, random: Random): Triple =>
  [step.hue, step.lightness, step.saturation].map((most) => Math.trunc(between([-most, most], random))) as Triple;

export const hls = onPixels({
  schema: hlsSchema,
  docs: "one shift of hue, lightness and saturation for the picture, in OpenCV's HLS (MXNet's ImageRecordIter)",
  apply({ data }, step, { random }) {
    shiftHls(data, drawShift(step, random));
  },
});
