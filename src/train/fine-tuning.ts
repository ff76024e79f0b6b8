/** The keys of a configuration that say what a run begins with, and how much of it may change. */

import * as z from "zod";
import { configKey } from "../config-key.ts";

const text = z.string().min(1);

export const fineTuningKeys = {
  /** A weight file, or the name of released weights, whose network is trained further; `null`: fresh weights. */
  weights: configKey(
    text.nullable().default(null),
    "begin with this network: a weight file, a name (senet pull), or imagenette, which comes with the package",
    {
      value: "file",
    },
  ),
  /** What does not learn, from the picture on (nn/freeze.ts). */
  freeze: configKey(
    text.nullable().default(null),
    "what does not learn: stem, stage1, ..., a block's name, or backbone (all but the head)",
    { value: "part" },
  ),
  /** The factor of the learning rate from one block to the one before it, as timm has it; `null`: all learn alike. */
  layerDecay: configKey(
    z.number().positive().max(1).nullable().default(null),
    "factor of the rate from each block to the one before it; default: all learn alike",
  ),
  /** What classes weigh in the loss: all alike, or the less the more pictures they have. */
  classWeights: configKey(z.enum(["none", "balanced"]).default("none"), "balanced: rare classes weigh more", {
    value: "kind",
  }),
  /** Channels of the pictures: 3, or 1 for grey ones; `null`: as the weights have it, or else 3. */
  inChans: configKey(
    z.number().int().min(1).max(3).nullable().default(null),
    "channels of the pictures, 1 for grey; default: the weights' own, or 3",
  ),
  /** Of fresh weights (weights/patch-init.ts). */
  patchInit: configKey(
    z.boolean().default(false),
    "fresh weights: the first convolution begins with the principal directions of the pictures' patches, not at random",
  ),
};
