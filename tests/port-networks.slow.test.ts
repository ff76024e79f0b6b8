/** Logits of the ports' networks by their own code, on every executor. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type { Executor } from "../src/executors/executor.ts";
import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { describeExecutors, selectExecutor } from "../src/executors/select.node.ts";
import { inferenceGraph, inputName, type Model, model } from "../src/zoo/index.ts";
import { formulaPictures } from "./formula.ts";
import { portNames, portWeights } from "./port-networks.ts";
import { sharedData } from "./support.ts";

interface Golden {
  readonly variables: number;
  readonly input: readonly [batch: number, channels: number, side: number, width: number];
  readonly logits: readonly (readonly number[])[];
}

/** SE-ResNet-164 with so many units a stage. */
function nutszebra(n: number, reduction: number | undefined): Model {
  const { config, ...rest } = model(`nutszebra-${reduction === undefined ? "" : "se-"}resnet-164`);
  assert.ok(config.family === "preact");
  const se = reduction && { se: { reduction, bias: true } };
  return { ...rest, config: { ...config, ...se, depths: [n, n, n] } };
}

const cases: readonly (readonly [file: string, key: string, names: keyof typeof portNames, model: Model])[] = [
  ["tensorpack", "tensorpack se-resnet-50 (HEAD, post-activation)", "tensorpack", model("tensorpack-se-resnet-50")],
  [
    ...["tensorpack", "tensorpack se-preact-resnet-50 of 2017-07-29 (ec1bea93): no ReLU between the two layers"],
    ...["tensorpackPreact", model("tensorpack-se-preact-resnet-50-july")],
  ] as never,
  [
    ...["tensorpack", "tensorpack se-preact-resnet-50 of 2017-08-27 (34f0dd6d): with ReLU"],
    ...["tensorpackPreact", model("tensorpack-se-preact-resnet-50")],
  ] as never,
  [
    ...["tensorpack", "tensorpack se-preact-resnet-50 of 2017-08-29 (6a143365): bnlast in each group"],
    ...["tensorpackEnds", model("tensorpack-se-preact-resnet-50")],
  ] as never,
  ["bruinxiong", "se-resnext-50 64 groups", "bruinxiong", model("bruinxiong-se-resnext-50")],
  ["bruinxiong", "se-resnext-50 32 groups", "bruinxiong", model("bruinxiong-se-resnext-50-32x4d")],
  ["bruinxiong", "se-resnext-18", "bruinxiong", model("bruinxiong-se-resnext-18")],
  ["bruinxiong", "se-resnet-50 preact", "bruinxiong", model("bruinxiong-se-resnet-50")],
  ["bruinxiong", "se-resnet-18 preact", "bruinxiong", model("bruinxiong-se-resnet-18")],
  ["bruinxiong", "cifar se-resnet-20 preact", "bruinxiong", model("bruinxiong-se-resnet-20-cifar")],
  ["bruinxiong", "cifar se-resnet-164 preact", "bruinxiong", model("bruinxiong-se-resnet-164-cifar")],
  ["bruinxiong", "cifar se-resnext-20", "bruinxiong", model("bruinxiong-se-resnext-20-cifar")],
  ["bruinxiong", "cifar se-resnext-164 32 groups", "bruinxiong", model("bruinxiong-se-resnext-164-cifar")],
  ["moskomule", "moskomule preact_resnet20 (baseline)", "moskomule", model("moskomule-preact-resnet-20")],
  ["nutszebra", "nutszebra-se-resnet n=1 r=4", "nutszebra", nutszebra(1, 4)],
  ["nutszebra", "nutszebra-se-resnet n=2 r=8", "nutszebra", nutszebra(2, 8)],
  ["nutszebra", "nutszebra-se-resnet-164 n=18 r=16", "nutszebra", nutszebra(18, 16)],
  ["nutszebra", "nutszebra-resnet n=2", "nutszebra", nutszebra(2, undefined)],
];

const golden = (file: string) => sharedData("..", "reference", "ports", "golden", `${file}.json`);
const onednn = (await describeExecutors()).find(({ name }) => name === "onednn")!;
const executors: Readonly<Record<string, Executor>> = {
  reference: referenceExecutor,
  ort: ortExecutor,
  ...(onednn.available && { onednn: (await selectExecutor({ name: "onednn" })).executor }),
};

for (const [file, key, names, network] of cases) {
  const path = golden(file);
  const skip = existsSync(path) ? false : `${path} is absent`;
  for (const [name, executor] of Object.entries(executors)) {
    test(`${name}: ${key}`, { skip }, async () => {
      const expected = (JSON.parse(readFileSync(path, "utf8")) as Record<string, Golden>)[key]!;
      const [batch, , side] = expected.input;
      const graph = inferenceGraph(network, { batch, imageSize: side });
      assert.equal(graph.parameters.length, expected.variables);
      const executable = await executor.compile(graph, portWeights(graph, portNames[names]));
      const { shape, data } = (await executable.run(new Map([[inputName, formulaPictures(batch, side, 0)]]))).get(
        "logits",
      )!;
      await executable.dispose();
      const most = Math.max(...data.map(Math.abs));
      for (const [i, row] of expected.logits.entries()) {
        const found = data.slice(i * shape[1]!, i * shape[1]! + row.length);
        for (const [k, value] of row.entries()) {
          assert.ok(Math.abs(found[k]! - value) <= 1e-4 * most, `${key}: ${found[k]} at ${i}, ${k}; expected ${value}`);
        }
      }
    });
  }
}
