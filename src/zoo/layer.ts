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
const windowed = { kernel: extent.positive(), stride: extent.positive(), pad: extent.min(0) };
const out = positive.max(2 ** 20);
const bare = <K extends string>(kind: K) => z.strictObject({ ...placed, kind: z.literal(kind) });
const pooling = <K extends string>(kind: K) => bare(kind).extend({ ...windowed, ceil: z.boolean() });

/** The kinds of layers, with what each is given. */
export const layerSchema = z.discriminatedUnion("kind", [
  bare("conv").extend({ ...windowed, out, groups: positive.max(65536), bias: z.boolean() }),
  // By running statistics, or by the batch's when training; with gamma and beta.
  bare("batchNorm").extend({ eps: z.number().positive().max(1) }),
  bare("relu"),
  bare("sigmoid"),
  pooling("maxPool"),
  // Counts the padding.
  pooling("avgPool"),
  bare("globalAvgPool"),
  // The sum of two or more.
  bare("add"),
  // Along the channels.
  bare("concat"),
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
