/** The engines' suite for what the fast tests leave out: the rest, other precisions, and another ONNX Runtime. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance } from "../../tests/conformance.ts";
import { formulaLabels, formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { networkTests } from "../../tests/networks.ts";
import { onednnOrReason } from "../../tests/onednn.ts";
import { TrainingStep } from "../train/step.ts";
import { lossGraph, model } from "../zoo/index.ts";
import type { Executor } from "./executor.ts";
import { createOnednnExecutor } from "./onednn/executor.node.ts";
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

// The layout that the library has the code of AMX for, on whatever processor this is.
const last = onednnOrReason("float32", { layout: "channelsLast" });
if (typeof last !== "string") {
  const name = "onednn, channels last";
  conformance({ name, executor: last, tolerance: 2e-5, dtypes: ["float32"] });
  for (const part of ["quick", "rest"] as const) networkTests(name, last, part);

  test(`${name}: two runs give the same bits, and other bits than in blocks`, async () => {
    const losses = async (executor: Executor) => {
      const network = model("se-resnet-20", 4);
      const weights = formulaWeights(lossGraph(network, { batch: 8, imageSize: 16 }));
      const options = { batchSize: 8, imageSize: 16, optimizer: { name: "sgd" }, weightDecay: 0, threads: 2 } as const;
      await using step = await TrainingStep.create(executor, network, weights, options);
      const found: number[] = [];
      for (let i = 0; i < 3; i++) {
        found.push((await step.run(formulaPictures(8, 16, i), formulaLabels(8, 4, i), 0.02)).loss);
      }
      return found;
    };
    const found = await losses(last);
    assert.deepEqual(await losses(last), found);
    assert.notDeepEqual(await losses(createOnednnExecutor({ layout: "blocks" })), found);
  });
}

const bf16 = onednnOrReason("bf16");
if (typeof bf16 === "string") test("onednn in bf16", { skip: bf16 }, () => {});
else {
  const skip = { "batchNormTraining/offset": "numbers far from zero lose their small differences with bf16's 8 bits" };
  for (const layout of ["blocks", "channelsLast"] as const) {
    const executor = createOnednnExecutor({ precision: "bf16", layout });
    conformance({ name: `onednn bf16, ${layout}`, executor, tolerance: 2e-2, dtypes: ["float32"], skip });
  }
}
