/** Configuration keys for fine-tuning: which weights a run starts from, and how much of them may change. */

import { configKey } from "../config-key.ts";
import * as z from "../schema.ts";

const text = z.string().check(z.minLength(1));

export const fineTuningKeys = {
  /** The weight file, or name of released weights, to continue from; `null`: fresh weights. */
  weights: configKey(
    z._default(z.nullable(text), null),
    "start from this network: a weight file, a name (senet pull), or imagenette, which is included",
    {
      value: "file",
    },
  ),
  /** How much of the network is frozen, starting from the input (nn/freeze.ts). */
  freeze: configKey(
    z._default(z.nullable(text), null),
    "parts that are not trained: stem, stage1, ..., a block's name, or backbone (all but the head)",
    { value: "part" },
  ),
  /** Factor on the learning rate from each block to the one before it, as in timm; `null`: no decay. */
  layerDecay: configKey(
    z._default(z.nullable(z.number().check(z.gt(0), z.lte(1))), null),
    "factor of the learning rate from each block to the one before it; default: 1",
  ),
  /** How classes are weighted in the loss: equally, or inversely to their number of pictures. */
  classWeights: configKey(z._default(z.enum(["none", "balanced"]), "none"), "balanced: rare classes weigh more", {
    value: "kind",
  }),
  /** Channels of the pictures: 3, or 1 for grey ones; `null`: as the weights have, or else 3. */
  inChans: configKey(
    z._default(z.nullable(z.int().check(z.gte(1), z.lte(3))), null),
    "channels of the pictures, 1 for grey; default: the weights' own, or 3",
  ),
  /** Initialises fresh weights from image patches (weights/patch-init.ts). */
  patchInit: configKey(
    z._default(z.boolean(), false),
    "fresh weights: initialise the first convolution with the principal directions of the pictures' patches",
  ),
};
