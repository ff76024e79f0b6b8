/** The interface of augmentation steps: plain data checked by a schema, and what a step does to a picture. */

import type { Random } from "../../random.ts";
import * as z from "../../schema.ts";
import type { Color } from "../affine.ts";
import type { Normalization } from "../preprocess.ts";
import { type Box, interpolations, type Picture } from "../resize.ts";
import type { PictureView } from "../view.ts";

/** Context of a step. */
export interface StepContext {
  /** All steps of a picture draw from this, in order. */
  readonly random: Random;
  /** Side of the network's input. */
  readonly size: number;
  readonly normalization: Normalization;
}

/** The square cut out of a picture. */
export interface Placed {
  /** `size × size`; later steps may modify it. */
  readonly pixels: Picture;
  /** Whether to mirror left and right when values are written. */
  readonly mirror: boolean;
  /** The part covered by the picture; around it the network's input is 0. Default: everything. */
  readonly covered?: Box;
}

interface RowOf<Schema extends z.Schema> {
  readonly schema: Schema;
  /** One line: what it does, and its source. */
  readonly docs: string;
}

/** Cuts the square out of a picture of any size; exactly the first step of a transform. */
export interface PlacingStep<Schema extends z.Schema, Step = z.output<Schema>> extends RowOf<Schema> {
  readonly phase: "place";
  readonly apply: (picture: PictureView, step: Step, context: StepContext) => Placed;
  /**
   * Side of a square with as many pixels as the smallest part that it may cut out; undefined: it needs the whole
   * picture.
   */
  readonly leastSide?: (size: Pick<Picture, "width" | "height">, step: Step) => number;
}

/** Changes the square's bytes in place. */
export interface PixelStep<Schema extends z.Schema, Step = z.output<Schema>> extends RowOf<Schema> {
  readonly phase: "pixels";
  readonly apply: (pixels: Picture, step: Step, context: StepContext) => void;
}

/** Changes the network's input, `[planes, size, size]`, in place. */
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

/** A pair of numbers within bounds, smaller first. */
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

/** A uniform random number between two. */
export const between = ([low, high]: readonly [number, number], random: Random): number =>
  low + (high - low) * random.uniform();

/** The RGB colour that becomes 0, as nearly as bytes allow. */
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

/** Memory for one square, reused for each picture. */
export function squareBytes(size: number): Uint8Array {
  const bytes = size * size * 3;
  if (squares.length < bytes) squares = new Uint8Array(bytes);
  return squares.subarray(0, bytes);
}
