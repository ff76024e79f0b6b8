/** The keys of a configuration that say what a run begins with, and how much of it may change. */

import { configKey } from "../config-key.ts";
import * as z from "../schema.ts";

const text = z.string().check(z.minLength(1));

export const fineTuningKeys = {
  /** A weight file, or the name of released weights, whose network is trained further; `null`: fresh weights. */
  weights: configKey(
    z._default(z.nullable(text), null),
    "begin with this network: a weight file, a name (senet pull), or imagenette, which comes with the package",
    {
      value: "file",
    },
  ),
  /** What does not learn, from the picture on (nn/freeze.ts). */
  freeze: configKey(
    z._default(z.nullable(text), null),
    "what does not learn: stem, stage1, ..., a block's name, or backbone (all but the head)",
    { value: "part" },
  ),
  /** The factor of the learning rate from one block to the one before it, as timm has it; `null`: all learn alike. */
  layerDecay: configKey(
    z._default(z.nullable(z.number().check(z.gt(0), z.lte(1))), null),
    "factor of the rate from each block to the one before it; default: all learn alike",
  ),
  /** What classes weigh in the loss: all alike, or the less the more pictures they have. */
  classWeights: configKey(z._default(z.enum(["none", "balanced"]), "none"), "balanced: rare classes weigh more", {
    value: "kind",
  }),
  /** Channels of the pictures: 3, or 1 for grey ones; `null`: as the weights have it, or else 3. */
  inChans: configKey(
    z._default(z.nullable(z.int().check(z.gte(1), z.lte(3))), null),
    "channels of the pictures, 1 for grey; default: the weights' own, or 3",
  ),
  /** Of fresh weights (weights/patch-init.ts). */
  patchInit: configKey(
    z._default(z.boolean(), false),
    "fresh weights: the first convolution begins with the principal directions of the pictures' patches, not at random",
  ),
};
