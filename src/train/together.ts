/** Configuration keys for training with several processes. */

import { configKey } from "../config-key.ts";
import * as z from "../schema.ts";

export const togetherKeys = {
  /** Otherwise each rank normalises over its own pictures, and running statistics are averaged over the ranks. */
  syncBn: configKey(
    z._default(z.boolean(), false),
    "several processes: batch norm over the pictures of all processes (onednn, reference)",
  ),
};
