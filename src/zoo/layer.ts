/** A layer of an imported network, as plain data. */

import * as z from "../schema.ts";
import { extent, positive, texts } from "./bounds.ts";
import type { ConfigOf } from "./family.ts";

const placed = {
  /** Name of the layer's value, and prefix of its parameters. */
  name: z.string().check(z.minLength(1), z.maxLength(1000)),
  /** Names of earlier layers, or `image`. */
  inputs: texts(1000),
};
const [positiveExtent, padding] = [extent.check(z.gt(0)), extent.check(z.gte(0))];
const perAxis = z.union([positiveExtent, z.tuple([positiveExtent, positiveExtent])]);
const windowed = {
  /** A number, or rows and columns. */
  kernel: perAxis,
  stride: perAxis,
  pad: z.union([padding, z.strictObject({ top: padding, left: padding, bottom: padding, right: padding })]),
};
const out = positive.check(z.lte(2 ** 20));
const bare = <K extends string>(kind: K) => z.strictObject({ ...placed, kind: z.literal(kind) });
const pooling = <K extends string>(kind: K) => z.extend(bare(kind), { ...windowed, ceil: z.boolean() });

/** The kinds of layers, with their attributes. */
export const layerSchema = z.discriminatedUnion("kind", [
  z.extend(bare("conv"), { ...windowed, out, groups: positive.check(z.lte(65536)), bias: z.boolean() }),
  // With running statistics, or the batch's in training; with gamma and beta. A fixed gamma stays 1.
  z.extend(bare("batchNorm"), {
    eps: z.number().check(z.gt(0), z.lte(1)),
    fixedGamma: z.exactOptional(z.boolean()),
  }),
  bare("relu"),
  bare("sigmoid"),
  bare("silu"),
  bare("mish"),
  pooling("maxPool"),
  // Counts padding unless `countPad` is false.
  z.extend(pooling("avgPool"), { countPad: z.exactOptional(z.boolean()) }),
  bare("globalAvgPool"),
  // The sum of two or more inputs.
  bare("add"),
  // The input times a number.
  z.extend(bare("multiply"), { factor: z.number().check(z.gte(-1e6), z.lte(1e6)) }),
  // Concatenation along the channels.
  bare("concat"),
  // A range of channels.
  z.extend(bare("channelSlice"), { start: extent.check(z.gte(0)), length: positive.check(z.lte(2 ** 20)) }),
  // Inputs: gate `[N,C,1,1]`, and the value that it multiplies.
  bare("seScale"),
  // Inputs: gate, branch, shortcut.
  bare("seScaleAdd"),
  // The identity, except in training.
  z.extend(bare("dropout"), { rate: z.number().check(z.gte(0), z.lt(1)) }),
  bare("flatten"),
  z.extend(bare("linear"), { out, bias: z.boolean() }),
]);

export type LayerConfig = ConfigOf<typeof layerSchema>;

type Unplaced<T> = T extends unknown ? Omit<T, "name" | "inputs"> : never;
/** A layer without its name and inputs. */
export type UnplacedLayer = Unplaced<LayerConfig>;
