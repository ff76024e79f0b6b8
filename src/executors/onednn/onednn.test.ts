import { test } from "node:test";
import { conformance } from "../../../tests/conformance.ts";
import { networkTests } from "../../../tests/networks.ts";
import type { Executor } from "../executor.ts";
import { createOnednnExecutor } from "./executor.node.ts";

/** The executor, or why it is not here. */
function load(precision: "float32" | "bf16"): Executor | string {
  try {
    return createOnednnExecutor({ precision });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const float32 = load("float32");
if (typeof float32 === "string") test("onednn", { skip: float32 }, () => {});
else {
  conformance({ name: "onednn", executor: float32, tolerance: 1e-5, dtypes: ["float32"] });
  networkTests("onednn", float32);
}

const bf16 = load("bf16");
if (typeof bf16 === "string") test("onednn in bf16", { skip: bf16 }, () => {});
else {
  const skip = { "batchNormTraining/offset": "numbers far from zero lose their small differences with bf16's 8 bits" };
  conformance({ name: "onednn bf16", executor: bf16, tolerance: 2e-2, dtypes: ["float32"], skip });
}
