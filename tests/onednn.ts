/** oneDNN for tests, if it is installed. */

import type { Executor } from "../src/executors/executor.ts";
import { createOnednnExecutor, type OnednnOptions } from "../src/executors/onednn/executor.node.ts";
import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";

/** The executor, or why it is not available. */
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

/** All available executors, by name, in float32. */
export function everyExecutor(): Readonly<Record<string, Executor>> {
  const onednn = onednnOrReason("float32");
  return {
    reference: referenceExecutor,
    ort: ortExecutor,
    ...(typeof onednn !== "string" && { onednn }),
  };
}
