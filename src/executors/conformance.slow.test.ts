/** The engines' suite for what the fast tests leave out: the rest, other precisions, and another ONNX Runtime. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance } from "../../tests/conformance.ts";
import { onednnOrReason } from "../../tests/onednn.ts";
import { ortExecutor } from "./ort/executor.node.ts";
import { createOrtExecutor } from "./ort/executor.ts";
import { nodeHost } from "./ort/library.node.ts";
import type { OnnxRuntime } from "./ort/runtime.ts";
import { referenceExecutor } from "./reference/reference.ts";

conformance({ name: "reference", executor: referenceExecutor, tolerance: 1e-5, dtypes: ["float32"] });
conformance({ name: "ort", executor: ortExecutor, tolerance: 1e-5, dtypes: ["float32"], part: "rest" });

/** An ONNX Runtime whose bindings, as those for browsers, give outputs in memory of their own. */
const elsewhere = (): OnnxRuntime => {
  const { InferenceSession, Tensor } = nodeHost.runtime();
  return {
    Tensor,
    InferenceSession: {
      async create(...given) {
        const session = await InferenceSession.create(...given);
        return {
          inputNames: session.inputNames,
          release: () => session.release(),
          run(feeds, fetches) {
            assert.equal(fetches, undefined);
            return session.run(feeds);
          },
        };
      },
    },
  };
};
const handedIn = createOrtExecutor({ runtime: elsewhere, description: () => "handed in", writesInPlace: false });
conformance({ name: "ort that was handed in", executor: handedIn, tolerance: 1e-5, dtypes: ["float32"] });

const float32 = onednnOrReason("float32");
if (typeof float32 === "string") test("onednn", { skip: float32 }, () => {});
else conformance({ name: "onednn", executor: float32, tolerance: 1e-5, dtypes: ["float32"], part: "rest" });

const bf16 = onednnOrReason("bf16");
if (typeof bf16 === "string") test("onednn in bf16", { skip: bf16 }, () => {});
else {
  const skip = { "batchNormTraining/offset": "numbers far from zero lose their small differences with bf16's 8 bits" };
  conformance({ name: "onednn bf16", executor: bf16, tolerance: 2e-2, dtypes: ["float32"], skip });
}
