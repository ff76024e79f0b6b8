/** What a configuration says of a training by several processes. */

import { configKey } from "../config-key.ts";
import * as z from "../schema.ts";

export const togetherKeys = {
  /** Without, each rank normalises by its own pictures, and the running statistics are the ranks' mean. */
  syncBn: configKey(
    z._default(z.boolean(), false),
    "several processes: batch norm over the pictures of all of them, as if they were one (onednn, reference)",
  ),
};
