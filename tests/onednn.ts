/** oneDNN for tests, where the machine has it. */

import type { Executor } from "../src/executors/executor.ts";
import { createOnednnExecutor, type OnednnOptions } from "../src/executors/onednn/executor.node.ts";

/** The executor, or why it is not here. */
export function onednnOrReason(
  precision: "float32" | "bf16",
  more: Pick<OnednnOptions, "layout"> = {},
): Executor | string {
  try {
    return createOnednnExecutor({ precision, ...more });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
