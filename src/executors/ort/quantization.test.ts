/** That ONNX Runtime really computes in eight bits what is quantized: what it makes of the pairs in a graph is up to it. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { InferenceSession } from "onnxruntime-node";
import { temporaryFolder } from "../../../tests/command.ts";
import { inEightBits } from "../../evaluate/speed.node.ts";
import { inferencePasses, runPasses } from "../../passes/index.ts";
import { quantizableLayers } from "../../passes/quantize.ts";
import { initialWeights } from "../../weights/init.ts";
import { inferenceGraph, model } from "../../zoo/index.ts";
import { lower } from "./lower.ts";
import { otherRules } from "./lower-others.ts";
import { encodeModel } from "./onnx.ts";

test("all convolutions in eight bits become ONNX Runtime's integer ones, those whose output has a sign too", async () => {
  const graph = inferenceGraph(model("se-resnet-8"), { batch: 1, imageSize: 16 });
  const float32 = runPasses({ graph, weights: initialWeights(graph, 0) }, inferencePasses);
  const { graph: int8, weights } = inEightBits(float32);
  const file = join(temporaryFolder(), "optimised.onnx");
  const options = { graphOptimizationLevel: "all", optimizedModelFilePath: file, logSeverityLevel: 3 } as const;
  const session = await InferenceSession.create(
    encodeModel(lower(int8, { weights, dynamicBatch: true, rules: otherRules }).model),
    options,
  );
  await session.release();
  const convolutions = quantizableLayers(float32.graph).filter(({ op }) => op === "conv2d");
  assert.equal(convolutions.length, 9);
  const integer = readFileSync(file, "latin1").match(/QLinearConv/g)?.length;
  // What the two of the last sum give stays in float32: no layer reads it.
  assert.equal(integer, convolutions.length - 2);
});
