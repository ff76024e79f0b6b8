/** The keys of a configuration that say what a run begins with, and how much of it may change. */

import * as z from "zod";

export const fineTuningKeys = {
  /** A weight file, or the name of released weights, whose network is trained further; `null`: fresh weights. */
  weights: z.string().min(1).nullable().default(null),
  /** What does not learn, from the picture on: `stem`, `stage3`, the name of a block, `backbone` (nn/freeze.ts). */
  freeze: z.string().min(1).nullable().default(null),
  /** The factor of the learning rate from one block to the one before it, as timm has it; `null`: all learn alike. */
  layerDecay: z.number().positive().max(1).nullable().default(null),
  /** What classes weigh in the loss: all alike, or the less the more pictures they have. */
  classWeights: z.enum(["none", "balanced"]).default("none"),
  /** Channels of the pictures: 3, or 1 for grey ones; `null`: as the weights have it, or else 3. */
  inChans: z
    .union([z.literal(1), z.literal(3)], "1 or 3")
    .nullable()
    .default(null),
};
