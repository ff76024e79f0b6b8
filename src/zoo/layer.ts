/** One layer of a network that came from elsewhere, as plain data. */

import * as z from "zod";
import { extent, positive, texts } from "./bounds.ts";
import type { ConfigOf } from "./family.ts";

const placed = {
  /** Names the layer's value and its parameters. */
  name: z.string().min(1).max(1000),
  /** Layers before this one, or `image`. */
  inputs: texts(1000),
};
const [positiveExtent, padding] = [extent.positive(), extent.min(0)];
const perAxis = z.union([positiveExtent, z.tuple([positiveExtent, positiveExtent])]);
const windowed = {
  /** A number, or rows and columns. */
  kernel: perAxis,
  stride: perAxis,
  pad: z.union([padding, z.strictObject({ top: padding, left: padding, bottom: padding, right: padding })]),
};
const out = positive.max(2 ** 20);
const bare = <K extends string>(kind: K) => z.strictObject({ ...placed, kind: z.literal(kind) });
const pooling = <K extends string>(kind: K) => bare(kind).extend({ ...windowed, ceil: z.boolean() });

/** The kinds of layers, with what each is given. */
export const layerSchema = z.discriminatedUnion("kind", [
  bare("conv").extend({ ...windowed, out, groups: positive.max(65536), bias: z.boolean() }),
  // By running statistics, or by the batch's when training; with gamma and beta. A fixed gamma stays 1.
  bare("batchNorm").extend({ eps: z.number().positive().max(1), fixedGamma: z.boolean().exactOptional() }),
  bare("relu"),
  bare("sigmoid"),
  bare("silu"),
  bare("mish"),
  pooling("maxPool"),
  // Counts the padding, unless it says no.
  pooling("avgPool").extend({ countPad: z.boolean().exactOptional() }),
  bare("globalAvgPool"),
  // The sum of two or more.
  bare("add"),
  // A number times the input.
  bare("multiply").extend({ factor: z.number().min(-1e6).max(1e6) }),
  // Along the channels.
  bare("concat"),
  // Some of the channels.
  bare("channelSlice").extend({ start: extent.min(0), length: positive.max(2 ** 20) }),
  // Inputs: gate `[N,C,1,1]`, and what it multiplies.
  bare("seScale"),
  // Inputs: gate, branch, shortcut.
  bare("seScaleAdd"),
  // The identity, except when training.
  bare("dropout").extend({ rate: z.number().min(0).lt(1) }),
  bare("flatten"),
  bare("linear").extend({ out, bias: z.boolean() }),
]);

export type LayerConfig = ConfigOf<typeof layerSchema>;
