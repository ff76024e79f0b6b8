/** What a step of augmentation is: plain data that a schema checks, and what it does to a picture. */

import type { Random } from "../../random.ts";
import * as z from "../../schema.ts";
import type { Color } from "../affine.ts";
import type { Normalization } from "../preprocess.ts";
import { type Box, interpolations, type Picture } from "../resize.ts";
import type { PictureView } from "../view.ts";

/** What a step may know besides its picture. */
export interface StepContext {
  /** All steps of a picture draw from it, in their order. */
  readonly random: Random;
  /** The side of the square that the network sees. */
  readonly size: number;
  readonly normalization: Normalization;
}

/** The square that a step cut out of a picture. */
export interface Placed {
  /** `size × size`, in memory that the following steps may write to. */
  readonly pixels: Picture;
  /** Left and right change places when the values are written. */
  readonly mirror: boolean;
  /** Where there is a picture: around it the network's input becomes 0. Everywhere by default. */
  readonly covered?: Box;
}

interface RowOf<Schema extends z.Schema> {
  readonly schema: Schema;
  /** One line: what it does, and after whom. */
  readonly docs: string;
}

/** Cuts the square out of a picture of any size; the first step of every transform, and only that. */
export interface PlacingStep<Schema extends z.Schema, Step = z.output<Schema>> extends RowOf<Schema> {
  readonly phase: "place";
  readonly apply: (picture: PictureView, step: Step, context: StepContext) => Placed;
  /**
   * The side of a square with as many pixels as the least that it may cut out of a picture of this size; not said: it needs
   * all there are.
   */
  readonly leastSide?: (size: Pick<Picture, "width" | "height">, step: Step) => number;
}

/** Changes the square's bytes where they are. */
export interface PixelStep<Schema extends z.Schema, Step = z.output<Schema>> extends RowOf<Schema> {
  readonly phase: "pixels";
  readonly apply: (pixels: Picture, step: Step, context: StepContext) => void;
}

/** Changes the network's input, `[planes, size, size]`, where it is. */
export interface ValueStep<Schema extends z.Schema, Step = z.output<Schema>> extends RowOf<Schema> {
  readonly phase: "values";
  readonly apply: (values: Float32Array, step: Step, context: StepContext) => void;
}

export const placing = <Schema extends z.Schema>(row: Omit<PlacingStep<Schema>, "phase">): PlacingStep<Schema> => ({
  phase: "place",
  ...row,
});
export const onPixels = <Schema extends z.Schema>(row: Omit<PixelStep<Schema>, "phase">): PixelStep<Schema> => ({
  phase: "pixels",
  ...row,
});
export const onValues = <Schema extends z.Schema>(row: Omit<ValueStep<Schema>, "phase">): ValueStep<Schema> => ({
  phase: "values",
  ...row,
});

// Parts of schemas.

export const rate = z.number().check(z.gte(0), z.lte(1));
const byte = z.int().check(z.gte(0), z.lte(255));
export const color = z.readonly(z.tuple([byte, byte, byte]));
export const interpolation = z.enum(interpolations);

/** Two numbers, the smaller first, both within bounds. */
export const range = (least: number, most: number) =>
  z.readonly(
    z
      .tuple([z.number(), z.number()])
      .check(
        z.refine(
          ([low, high]) => low >= least && low <= high && high <= most,
          `two numbers from ${least} to ${most}, the smaller first`,
        ),
      ),
  );

/** A number between two, each equally likely. */
export const between = ([low, high]: readonly [number, number], random: Random): number =>
  low + (high - low) * random.uniform();

/** The colour that becomes 0, as nearly as bytes can, in RGB. */
export function meanColor({ channels, scale, mean }: Normalization): Color {
  const bytes = mean.map((value) => Math.min(255, Math.max(0, Math.round(value * scale))));
  const [first, second, third] = [bytes[0]!, bytes[1]!, bytes[2]!];
  return channels === "bgr"
    ? [third, second, first]
    : channels === "rgb"
      ? [first, second, third]
      : [first, first, first];
}

let squares = new Uint8Array(0);

/** Memory for one square; the next picture's is the same. */
export function squareBytes(size: number): Uint8Array {
  const bytes = size * size * 3;
  if (squares.length < bytes) squares = new Uint8Array(bytes);
  return squares.subarray(0, bytes);
}
