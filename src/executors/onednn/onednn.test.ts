import { test } from "node:test";
import { conformance } from "../../../tests/conformance.ts";
import type { Executor } from "../executor.ts";
import { createOnednnExecutor } from "./executor.node.ts";

function load(): Executor | string {
  try {
    return createOnednnExecutor();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const executor = load();
if (typeof executor === "string") test("the executor onednn", { skip: executor }, () => {});
else conformance({ name: "onednn", executor, tolerance: 1e-5, dtypes: ["float32"] });
